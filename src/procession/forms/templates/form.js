"use strict";
(() => {
  const INK = "#10131a";

  function signing(box) {
    const canvas = box.querySelector("canvas");
    const pen = canvas.getContext("2d");
    const typed = box.querySelector("input[type=text]");
    const kept = box.querySelector("input[type=hidden]");
    const said = box.querySelector("[role=status]");
    let last = null;

    const wipe = () => { pen.fillStyle = "#fff"; pen.fillRect(0, 0, canvas.width, canvas.height); };
    const keep = () => { kept.value = canvas.toDataURL("image/png"); };
    const clear = () => { wipe(); kept.value = ""; };
    const place = (event) => {
      const seen = canvas.getBoundingClientRect();
      return [
        ((event.clientX - seen.left) * canvas.width) / seen.width,
        ((event.clientY - seen.top) * canvas.height) / seen.height,
      ];
    };
    const stroke = (from, to) => {
      pen.strokeStyle = INK; pen.lineWidth = 4; pen.lineCap = "round"; pen.lineJoin = "round";
      pen.beginPath(); pen.moveTo(from[0], from[1]); pen.lineTo(to[0], to[1]); pen.stroke();
    };
    const write = (name) => {
      clear();
      if (!name) return;
      let size = 96;
      do { pen.font = `italic ${size}px "Segoe Script", "Snell Roundhand", cursive, serif`; size -= 4; }
      while (size > 16 && pen.measureText(name).width > canvas.width - 60);
      pen.fillStyle = INK; pen.textAlign = "center"; pen.textBaseline = "middle";
      pen.fillText(name, canvas.width / 2, canvas.height / 2, canvas.width - 40);
      keep();
    };

    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      if (typed.value) { typed.value = ""; clear(); }
      last = place(event);
      stroke(last, last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      const next = place(event);
      stroke(last, next);
      last = next;
    });
    const lift = () => { if (last) { last = null; keep(); } };
    canvas.addEventListener("pointerup", lift);
    canvas.addEventListener("pointercancel", lift);
    typed.addEventListener("input", () => write(typed.value.trim()));
    box.querySelector("button").addEventListener("click", () => {
      typed.value = ""; clear(); typed.focus(); said.textContent = "The signature is cleared.";
    });

    wipe();
    if (kept.value) {
      const before = new Image();
      before.onload = () => pen.drawImage(before, 0, 0, canvas.width, canvas.height);
      before.src = kept.value;
    }
    box.hidden = false;
  }

  function show(page, address) {
    // Its style has a nonce of its own, which this page's policy does not know.
    const bare = page.replace(/<style[^]*?<\/style>/g, "");
    const fresh = new DOMParser().parseFromString(bare, "text/html");
    const main = document.importNode(fresh.querySelector("main"), true);
    main.querySelectorAll("noscript").forEach((part) => part.remove());
    main.querySelectorAll("[autofocus]").forEach((part) => part.removeAttribute("autofocus"));
    document.title = fresh.title;
    document.querySelector("main").replaceWith(main);
    if (new URL(address).origin === location.origin) history.replaceState(null, "", address);
    begin();
    const first = main.querySelector("#summary") || main.querySelector("h1");
    first.tabIndex = -1;
    first.focus();
  }

  function sendWithProgress(form, event) {
    const files = [...form.querySelectorAll("input[type=file]")];
    if (!files.some((input) => input.files.length)) return;
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    const sending = form.querySelector("[data-sending]");
    const said = sending.querySelector("[role=status]");
    const bar = sending.querySelector("progress");
    const request = new XMLHttpRequest();
    const failed = () => {
      said.textContent = "Sending failed. Check your connection and try again.";
      bar.hidden = true;
      button.disabled = false;
      delete form.dataset.sent;
    };
    request.upload.onprogress = (part) => {
      if (part.lengthComputable) bar.value = (100 * part.loaded) / part.total;
    };
    request.onerror = failed;
    request.onload = () => {
      const html = (request.getResponseHeader("content-type") || "").startsWith("text/html");
      if (html) show(request.responseText, request.responseURL); else failed();
    };
    const body = new FormData(form);
    button.disabled = true;
    bar.value = 0;
    bar.hidden = sending.hidden = false;
    said.textContent = "Sending your files…";
    request.open("POST", form.getAttribute("action"));
    request.send(body);
  }

  function onceInAWhile(form, event) {
    if (form.dataset.sent) { event.preventDefault(); event.stopImmediatePropagation(); return; }
    form.dataset.sent = "true";
    setTimeout(() => { delete form.dataset.sent; }, 2000);
  }

  function begin() {
    document.querySelectorAll("[data-signature]").forEach(signing);
    const form = document.querySelector("form");
    if (!form) return;
    form.addEventListener("submit", (event) => onceInAWhile(form, event));
    if (form.enctype === "multipart/form-data")
      form.addEventListener("submit", (event) => sendWithProgress(form, event));
  }

  begin();
})();
