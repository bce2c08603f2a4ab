"""Characters are counted after NFC, and Arabic loses its diacritics and no letter."""

from wav2vec2_conformer.text.characters import count_characters, strip_arabic_marks


def test_letters_marks_and_numbers_count():
    counts = count_characters(["Caf\u00e9, cafe\u0301: 3 \u20ac! \u200b_|"])
    assert counts == {"c": 2, "a": 2, "f": 2, "\u00e9": 2, "3": 1}


def test_apostrophe_counts_inside_words():
    assert count_characters(["'it\u2019s' dogs' don't"])["'"] == 2


def test_case_is_chosen():
    assert count_characters(["Aa"], letter_case="upper") == {"A": 2}
    assert count_characters(["Aa"], letter_case="keep") == {"A": 1, "a": 1}


def test_arabic_marks_are_dropped_and_letters_stay():
    salam = "\u0627\u0644\u0633\u0651\u064e\u0644\u064e\u0627\u0645\u064f"
    assert strip_arabic_marks(salam) == "\u0627\u0644\u0633\u0644\u0627\u0645"
    # Written as alef and a hamza above, it is a letter after NFC; tatweel is a stroke.
    assert strip_arabic_marks("\u0627\u0654\u0646\u0640\u0640\u062a") == "\u0623\u0646\u062a"
    assert strip_arabic_marks("\u0928\u094d caf\u00e9") == "\u0928\u094d caf\u00e9"
