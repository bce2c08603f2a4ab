// A file to the server; progress and the result come back as events.

export function headers(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

// What an answer that is no result says.
export async function explain(answer) {
  const text = await answer.text();
  return messageOf(text) ?? `The server answered ${answer.status}.`;
}

function messageOf(text) {
  try {
    return JSON.parse(text).error.message;
  } catch {
    return null;
  }
}

// Returns the promise of the result, and what takes the request back.
export function transcribe(file, options, onStep) {
  const request = new XMLHttpRequest(); // fetch tells no progress of uploads
  const result = new Promise((resolve, reject) => {
    let numRead = 0;
    let last = null;
    const read = () => {
      const text = request.responseText;
      let end;
      while ((end = text.indexOf("\n\n", numRead)) >= 0) {
        const event = text.slice(numRead, end);
        numRead = end + 2;
        if (!event.startsWith("data: ")) continue; // a comment keeps the line open
        last = JSON.parse(event.slice(6));
        if (last.type === "progress") onStep(last);
      }
    };
    request.open("POST", "/page/transcriptions");
    for (const [name, value] of Object.entries(headers(options.key))) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => onStep({ type: "upload", share: event.loaded / event.total });
    request.upload.onload = () => onStep({ type: "progress" });
    request.onprogress = () => { if (request.status === 200) read(); };
    request.onload = () => {
      if (request.status !== 200) {
        const told = messageOf(request.responseText);
        reject(new Error(told ?? `The server answered ${request.status}.`));
        return;
      }
      read();
      if (last?.type === "result") resolve(last);
      else reject(new Error(last?.error?.message ?? "The server ended without a result."));
    };
    request.onerror = () => reject(new Error("The server cannot be reached."));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    const form = new FormData();
    form.append("model", options.model);
    form.append("prompt", options.prompt);
    form.append("speakers", String(options.speakers));
    form.append("file", file);
    request.send(form);
  });
  return { result, cancel: () => request.abort() };
}
