// The page: what is asked for, what is shown, and in which order.
import { Microphone } from "./microphone.js";
import { Player } from "./player.js";
import { explain, headers, transcribe } from "./transcription.js";

const find = (id) => document.getElementById(id);
const player = new Player();
let running = null; // the upload or the microphone that works now
let files = {};
let recording = null;
let name = "transcript";

async function loadModels() {
  const answer = await fetch("/v1/models", { headers: headers(find("key").value) });
  if (answer.status === 401) {
    find("options").open = true;
    return showError("This server wants an API key: enter it under Options.");
  }
  if (answer.status === 503) {
    showError("The models are being loaded.");
    setTimeout(loadModels, 1000);
    return;
  }
  if (!answer.ok) return showError(await explain(answer));
  showError("");
  const models = (await answer.json()).data;
  const recognizers = models.filter((model) => model.tasks.includes("transcriptions"));
  find("model").replaceChildren(...recognizers.map((model) => new Option(model.id, model.id)));
  find("model-field").hidden = recognizers.length < 2;
  const canTellSpeakers = models.some((model) => model.tasks.includes("diarizations"));
  find("speakers-field").hidden = !canTellSpeakers;
}

function options() {
  return {
    key: find("key").value,
    model: find("model").value,
    prompt: find("prompt").value,
    speakers: !find("speakers-field").hidden && find("speakers").checked,
  };
}

function showError(text) {
  find("error").textContent = text;
  find("error").hidden = !text;
}

function showWork(text, share) {
  find("work").hidden = false;
  // Not for every step: a screen reader reads each change.
  if (find("status").textContent !== text) find("status").textContent = text;
  if (share === null) find("progress").removeAttribute("value");
  else find("progress").value = share;
}

function seconds(value) {
  const whole = Math.floor(value);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

async function handleFile(file) {
  if (running) running.cancel();
  find("live").hidden = file !== recording; // captions belong to the recording
  showError("");
  find("result").hidden = true;
  player.stop();
  name = file.name.replace(/\.[^.]*$/, "") || "transcript";
  const work = transcribe(file, options(), (step) => {
    if (step.type === "upload") showWork("Uploading", step.share);
    else if (!step.duration) showWork("Working", null);
    else showWork(`Listening, ${seconds(step.duration)} minutes`, step.heard / step.duration);
  });
  running = work;
  showWork("Uploading", 0);
  try {
    const result = await work.result;
    if (running !== work) return;
    files = result.files;
    find("result").hidden = false;
    player.show(file, result);
    find("result-title").focus();
  } catch (error) {
    if (running === work && error.name !== "AbortError") showError(error.message);
  } finally {
    if (running === work) {
      running = null;
      find("work").hidden = true;
    }
  }
}

async function toggleRecording() {
  if (running instanceof Microphone) {
    find("record").disabled = true;
    await running.stop();
    return;
  }
  if (running) running.cancel();
  showError("");
  find("result").hidden = true;
  player.stop();
  const captions = { done: [], open: "" };
  const showCaptions = () => {
    find("caption-final").textContent = captions.done.join(" ");
    find("caption-open").textContent = captions.open;
  };
  showCaptions();
  const microphone = new Microphone(options(), {
    onText(event) {
      if (event.type.endsWith(".completed")) {
        captions.done.push(event.transcript);
        captions.open = "";
      } else {
        captions.open = event.text;
      }
      showCaptions();
    },
    onTime(duration) {
      find("record-label").textContent = `Stop (${seconds(duration)})`;
    },
  });
  running = microphone;
  showRecording(true);
  try {
    recording = await microphone.record();
    showRecording(false);
    running = null;
    if (recording) await handleFile(recording);
  } catch (error) {
    showError(error.message);
    showRecording(false);
    running = null;
  }
}

function showRecording(isOn) {
  find("live").hidden = false;
  find("record").setAttribute("aria-pressed", String(isOn));
  find("record").disabled = false;
  find("record-label").textContent = isOn ? "Stop (0:00)" : "Record";
  find("choose").disabled = isOn;
}

function download(format) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([files[format]], { type: "text/plain" }));
  link.download = `${name}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

find("choose").addEventListener("click", () => find("file").click());
find("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // the same file may be chosen again
  if (file) handleFile(file);
});
find("record").addEventListener("click", toggleRecording);
find("cancel").addEventListener("click", () => {
  running?.cancel();
  running = null;
  find("work").hidden = true;
});
find("key").addEventListener("change", loadModels);
for (const button of document.querySelectorAll("[data-format]")) {
  button.addEventListener("click", () => download(button.dataset.format));
}
find("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(files.txt);
  find("copy").textContent = "Copied";
  setTimeout(() => { find("copy").textContent = "Copy text"; }, 1500);
});

const drop = find("drop");
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const kind of ["dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.remove("over");
  });
}
document.addEventListener("drop", (event) => {
  const [file] = event.dataTransfer.files;
  if (file && !find("choose").disabled) handleFile(file);
});
loadModels().catch((error) => showError(`The server cannot be reached: ${error.message}`));
