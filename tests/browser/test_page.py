"""The web page, used as a person uses it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wav2vec2_conformer.formats import format_transcript
from wav2vec2_conformer.inference.transcriber import Transcriber
from wav2vec2_conformer.inference.transcript import Transcript

Wait = Callable[[Any, str], None]


@pytest.fixture(scope="module")
def expected(speech: Path) -> Transcript:
    return Transcriber.from_pretrained(device="cpu").transcribe(speech)


def fake_result(page: Any, **values: Any) -> None:
    """Make the server answer with words of our own."""
    result = {
        "type": "result",
        "text": "",
        "duration": 2.0,
        "confidence": 0.9,
        "words": [],
        "segments": [],
        "peaks": [0.1, 0.5],
        "files": {},
        **values,
    }
    body = f"data: {json.dumps(result)}\n\n"
    page.route(
        "**/page/transcriptions",
        lambda route: route.fulfill(content_type="text/event-stream", body=body),
    )


def word(text: str, start: float, **values: Any) -> dict[str, Any]:
    return {"word": text, "start": start, "end": start + 0.4, "confidence": 0.9, **values}


def test_a_file_becomes_words(shown: Any, expected: Transcript) -> None:
    assert shown.locator(".word").all_inner_texts() == [each.text for each in expected.words]
    assert shown.locator("#words p").count() == len(expected.segments)
    assert shown.locator("#work").is_hidden()
    low = [each.text for each in expected.words if each.confidence < 0.5]
    assert shown.locator(".word.low").all_inner_texts() == low
    percent = round(expected.confidence * 100)
    assert f"{percent} %" in shown.locator("#mean").inner_text()


def test_a_file_can_be_dropped(page: Any, speech: Path) -> None:
    page.evaluate(
        """async (bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "dropped.wav"));
            const event = new DragEvent("drop", { dataTransfer: data, bubbles: true });
            document.getElementById("drop").dispatchEvent(event);
        }""",
        list(speech.read_bytes()[: 44 + 2 * 16_000]),
    )
    page.wait_for_selector("#result:not([hidden])")


def test_words_light_up_as_they_play_and_can_be_clicked(
    shown: Any, expected: Transcript, wait_until: Wait
) -> None:
    number = len(expected.words) - 1
    shown.locator(".word").nth(number).click()
    wait_until(shown, "document.querySelector('.word.now') !== null")
    time_s = shown.evaluate("document.getElementById('audio').currentTime")
    assert time_s >= expected.words[number].start_s - 0.01
    assert shown.locator("#play").inner_text() == "Pause"
    shown.locator("#play").click()
    assert shown.evaluate("document.getElementById('audio').paused")


def test_the_waveform_is_a_slider(shown: Any) -> None:
    slider = shown.locator("#waveform")
    assert float(slider.get_attribute("aria-valuemax")) == pytest.approx(6.0)
    box = slider.bounding_box()
    slider.click(position={"x": box["width"] / 2, "y": 10})
    assert float(slider.get_attribute("aria-valuenow")) == pytest.approx(3.0, abs=0.2)
    slider.focus()
    shown.keyboard.press("Home")
    shown.keyboard.press("ArrowRight")
    assert float(slider.get_attribute("aria-valuenow")) == pytest.approx(2.0)
    is_painted = shown.evaluate(
        """() => {
            const canvas = document.getElementById("waveform");
            const pen = canvas.getContext("2d");
            return pen.getImageData(0, 0, canvas.width, canvas.height).data.some((v) => v);
        }"""
    )
    assert is_painted


def test_the_page_can_be_used_by_keys_alone(
    page: Any, speech: Path, expected: Transcript, wait_until: Wait
) -> None:
    shown = page
    shown.set_input_files("#file", speech)
    # A screen reader goes on where the result is.
    wait_until(shown, "document.activeElement.id === 'result-title'")
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.id") == "waveform"
    shown.keyboard.press("Tab")
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.textContent") == expected.words[0].text
    shown.keyboard.press("ArrowRight")
    assert shown.evaluate("document.activeElement.textContent") == expected.words[1].text
    shown.keyboard.press("Enter")
    start_s = expected.words[1].start_s
    assert shown.evaluate("document.getElementById('audio').currentTime") >= start_s - 0.01
    shown.keyboard.press(" ")
    wait_until(shown, "document.getElementById('audio').paused")
    shown.keyboard.press("Tab")  # past all other words
    assert shown.evaluate("document.activeElement.dataset.format") == "txt"


@pytest.mark.parametrize("name", ["txt", "srt", "vtt", "json"])
def test_downloads_are_the_librarys_files(shown: Any, expected: Transcript, name: str) -> None:
    with shown.expect_download() as download:
        shown.locator(f"[data-format={name}]").click()
    assert download.value.suggested_filename == f"weasels.{name}"
    text = Path(download.value.path()).read_text(encoding="utf-8")
    if name == "json":
        assert json.loads(text)["text"] == expected.text
    else:
        assert text == format_transcript(expected, name)


def test_live_captions_come_while_the_microphone_is_on(page: Any, wait_until: Wait) -> None:
    page.locator("#record").click()
    wait_until(page, "document.getElementById('captions').innerText.trim().split(' ').length > 2")
    assert page.locator("#record").get_attribute("aria-pressed") == "true"
    assert page.locator("#choose").is_disabled()
    page.locator("#record").click()
    page.wait_for_selector("#result:not([hidden])")
    wait_until(page, "!document.getElementById('play').disabled")
    duration_s = page.evaluate("document.getElementById('audio').duration")
    assert duration_s > 1
    heard_s = float(page.locator("#waveform").get_attribute("aria-valuemax"))
    assert heard_s == pytest.approx(duration_s, abs=0.1)
    assert page.locator("#record").get_attribute("aria-pressed") == "false"
    assert page.locator(".word").count() > 1
    with page.expect_download() as download:
        page.locator("[data-format=txt]").click()
    assert download.value.suggested_filename == "recording.txt"


def test_a_file_that_is_no_audio_is_told(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no audio")
    page.set_input_files("#file", path)
    page.wait_for_selector("#error:not([hidden])")
    assert "not audio" in page.locator("#error").inner_text()
    assert page.locator("#result").is_hidden()


def test_silence_has_no_words_and_says_so(page: Any, speech: Path) -> None:
    fake_result(page)
    page.set_input_files("#file", speech)
    page.wait_for_selector("#result:not([hidden])")
    assert "No speech" in page.locator("#words").inner_text()


def test_speakers_have_colours_and_names(page: Any, speech: Path) -> None:
    fake_result(
        page,
        words=[word("ONE", 0.0, speaker="SPEAKER_00"), word("TWO", 0.5, speaker="SPEAKER_01")],
        segments=[[0.0, 0.9, 2]],
    )
    page.set_input_files("#file", speech)
    page.wait_for_selector("#legend:not([hidden])")
    assert page.locator("#legend li").all_inner_texts() == ["● SPEAKER_00", "● SPEAKER_01"]
    colours = page.eval_on_selector_all(
        ".word", "words => words.map((w) => getComputedStyle(w).color)"
    )
    assert len(set(colours)) == 2
    assert "SPEAKER_01" in page.locator(".word").nth(1).get_attribute("title")


def test_right_to_left_text_runs_right_to_left(page: Any, speech: Path) -> None:
    words = [word("مرحبا", 0.0), word("بالعالم", 0.5)]
    fake_result(page, words=words, segments=[[0.0, 0.9, 2]])
    page.set_input_files("#file", speech)
    page.wait_for_selector(".word")
    first, second = (page.locator(".word").nth(i).bounding_box() for i in range(2))
    assert first["x"] > second["x"]
    assert page.eval_on_selector("#words p", "p => p.matches(':dir(rtl)')")
    page.locator(".word").first.focus()
    page.keyboard.press("ArrowLeft")  # onwards
    assert page.evaluate("document.activeElement.textContent") == "بالعالم"


def test_the_page_fits_a_phone(shown: Any) -> None:
    shown.set_viewport_size({"width": 360, "height": 740})
    assert shown.evaluate("document.documentElement.scrollWidth") <= 360
    heights = shown.eval_on_selector_all(
        "button:not([hidden])", "all => all.map((b) => b.getBoundingClientRect().height)"
    )
    assert min(height for height in heights if height) >= 44


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(shown: Any, scheme: str) -> None:
    shown.emulate_media(color_scheme=scheme)
    ratios = shown.evaluate(
        """() => {
            const light = (text) => {
                const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
                    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const ground = light(getComputedStyle(document.body).backgroundColor);
            return [".word", ".quiet", "summary", "h1"].map((selector) => {
                const element = document.querySelector(selector);
                const text = light(getComputedStyle(element).color);
                return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
            });
        }"""
    )
    assert min(ratios) >= 4.5  # WCAG 2.2, level AA


def test_nothing_from_elsewhere_can_run(page: Any, address: str) -> None:
    policy = page.request.get(address).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
