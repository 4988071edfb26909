(() => {
  "use strict";
  const form = document.getElementById("filters");
  if (!form) return; // a page of matrices alone
  const bodies = Array.from(document.querySelectorAll("#verdicts > tbody"));
  const count = document.getElementById("count");
  const none = document.getElementById("none");

  // Evidence lies in the page as text until it is asked for, compressed where there are many results:
  // thousands of them stay quick to open.
  const packs = Array.from(document.querySelectorAll(".pack"));

  async function unpacked(index) {
    const pack = packs[Math.floor(index / packs[0].dataset.size)];
    if (!pack.evidence) {
      const bytes = Uint8Array.from(atob(pack.textContent), (letter) => letter.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      pack.evidence = JSON.parse(await new Response(stream).text());
    }
    return pack.evidence[index % packs[0].dataset.size];
  }

  async function open(body, wanted) {
    const more = body.querySelector(".more");
    const cell = more.firstElementChild;
    if (wanted && !cell.dataset.full) {
      const folded = cell.querySelector("noscript");
      cell.innerHTML = folded ? folded.textContent : await unpacked(Number(body.id.slice(1)));
      cell.dataset.full = "yes";
    }
    more.classList.toggle("open", wanted);
    body.querySelector("button").setAttribute("aria-expanded", String(wanted));
  }

  function filter() {
    const words = form.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdicts = new Set(Array.from(form.querySelectorAll("[name=verdict]:checked"), (box) => box.value));
    const tier = form.tier ? form.tier.value : "";
    const platform = form.platform ? form.platform.value : "";
    let shown = 0;
    for (const body of bodies) {
      const about = body.dataset;
      const fits = (!verdicts.size || verdicts.has(about.v)) && (!tier || about.t === tier)
        && (!platform || about.p === platform) && words.every((word) => about.s.includes(word));
      if (body.hidden === fits) body.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${bodies.length} results shown`;
    none.hidden = shown > 0;
  }

  async function follow() {
    const body = bodies.find((one) => `#${one.id}` === location.hash);
    if (!body && bodies.length === 1) return void open(bodies[0], true); // there is nothing to choose from
    if (!body) return;
    await open(body, true);
    body.scrollIntoView();
  }

  async function copy(button) {
    const text = button.parentNode.querySelector("code");
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch {
      // Without leave to use the clipboard the text is at least selected.
      getSelection().selectAllChildren(text);
      button.textContent = "Selected";
    }
  }

  document.getElementById("verdicts").addEventListener("click", (event) => {
    const button = event.target.closest(".copy");
    if (button) return void copy(button);
    const row = event.target.closest(".row");
    if (!row || event.target.closest("a") || String(getSelection())) return;
    const body = row.parentNode;
    open(body, !body.querySelector(".more").classList.contains("open"));
  });
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", follow);
  filter();
  follow();
})();
