"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";

  // ---- elements: text is only ever set as text, so that names out of a model stay names

  function fill(element, attributes, children) {
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === undefined || value === null || value === false) continue;
      if (key === "on") for (const [event, call] of Object.entries(value)) element.addEventListener(event, call);
      else if (key === "css") for (const [name, text] of Object.entries(value)) element.style.setProperty(name, text);
      else element.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children.flat(9)) if (child !== null && child !== undefined && child !== false) element.append(child);
    return element;
  }
  const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
  const section = id => document.getElementById(id);

  // ---- numbers

  const round = (v, digits = 3) => Number(v.toPrecision(digits)).toString();
  function time(us) {
    if (!(us >= 0)) return "–";
    if (us === 0) return "0";
    if (us < 1e3) return (us < 9.95 ? us.toFixed(1) : Math.round(us)) + " µs";
    if (us < 1e6) return round(us / 1e3) + " ms";
    return round(us / 1e6) + " s";
  }
  function bytes(n) {
    return n < 1e3 ? n + " B" : n < 1e6 ? (n / 1e3).toFixed(1) + " kB" : n < 1e9 ? (n / 1e6).toFixed(1) + " MB" : (n / 1e9).toFixed(2) + " GB";
  }
  const error = e => e === null || e === undefined ? "" : typeof e === "string" ? e : e === 0 ? "0" : e.toExponential(1);
  const percent = share => (100 * share).toFixed(share < 0.0995 ? 1 : 0) + " %";
  const shortOp = op => op.split(".").slice(1, 2)[0] || op;
  const sum = list => list.reduce((a, b) => a + b, 0);
  const plural = (n, word) => n + " " + word + (n === 1 ? "" : "s");

  const total = sum(data.steps.map(s => s.us)) || 1;
  const engineOf = step => step.kind === "onednn" ? "onednn" : (data.blocks[step.block] || { engine: "" }).engine;
  const colour = engine => ({ cpu: "var(--cpu)", onednn: "var(--onednn)", reference: "var(--reference)" })[engine] || "var(--other)";
  const worst = step => {
    let most = null;
    for (const value of step.values) if (typeof value.error === "string") return value.error; else if (value.error !== null) most = Math.max(most || 0, value.error);
    return most;
  };
  // Steps are called by the model's nodes in them; those that have none, by what lowering made.
  const opsOf = step => step.nodes.length ? step.nodes.map(n => shortOp(data.nodes[n].op)) : step.operators.map(o => o.split(" @ ")[0]);
  function title(step) {
    const ops = opsOf(step);
    if (!ops.length) return step.name;
    return ops.length > 8 ? ops.slice(0, 7).join(" + ") + ` + ${ops.length - 7} more` : ops.join(" + ");
  }
  const modulesOf = step => [...new Set(step.nodes.length ? step.nodes.map(n => data.nodes[n].module).filter(Boolean) : step.operators.map(o => o.split(" @ ")[1]).filter(Boolean))];
  const tag = engine => el("span", { class: "engine", css: { "--c": colour(engine) } }, engine === "onednn" ? "oneDNN" : engine);

  // ---- tables

  /// columns: {name, number, value(row) to sort by, show(row)}
  function table(rows, columns, options = {}) {
    const body = el("tbody");
    const state = { column: options.sort ?? -1, down: true, filter: "", all: false };
    const limit = options.limit || 25;
    const more = el("button", { class: "tool", type: "button", on: { click: () => { state.all = true; draw(); } } });
    const heads = columns.map((column, i) => el("th", { class: column.number ? "num" : null, scope: "col" },
      column.value ? el("button", { type: "button", on: { click: () => { state.down = state.column === i ? !state.down : true; state.column = i; draw(); } } }, column.name) : column.name));
    function draw() {
      let list = rows.filter(row => !state.filter || (options.text ? options.text(row) : "").toLowerCase().includes(state.filter));
      const key = state.column >= 0 ? columns[state.column].value : null;
      if (key) {
        const order = (a, b) => { const x = key(a), y = key(b); return x < y ? -1 : x > y ? 1 : 0; };
        list = [...list].sort((a, b) => state.down ? order(b, a) : order(a, b));
      }
      const shown = state.all ? list : list.slice(0, limit);
      body.replaceChildren(...shown.map(row => el("tr", {}, columns.map(column => el("td", { class: [column.number ? "num" : "", column.wide ? "wide" : ""].join(" ").trim() || null }, column.show(row))))));
      heads.forEach((head, i) => i === state.column ? head.setAttribute("aria-sort", state.down ? "descending" : "ascending") : head.removeAttribute("aria-sort"));
      more.hidden = shown.length === list.length;
      more.textContent = "Show all " + list.length;
    }
    draw();
    return {
      element: el("div", {}, el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": options.label || "Table" }, el("table", {}, el("thead", {}, el("tr", {}, heads)), body)), el("p", {}, more)),
      filter(text) { state.filter = text.toLowerCase(); draw(); },
    };
  }
  const meter = (share, engine) => el("span", { class: "meter", "aria-hidden": "true" }, el("i", { css: { width: Math.max(100 * share, 0.6) + "%", background: engine ? colour(engine) : null } }));
  const search = (label, change) => el("input", { type: "search", placeholder: label, "aria-label": label, on: { input: event => change(event.target.value) } });

  function tabs(names, choose, label) {
    const buttons = names.map((name, i) => el("button", { type: "button", role: "tab", on: { click: () => pick(i) } }, name));
    function pick(i) {
      buttons.forEach((button, k) => { button.setAttribute("aria-selected", k === i); button.tabIndex = k === i ? 0 : -1; });
      choose(i);
    }
    const list = el("div", { class: "tabs", role: "tablist", "aria-label": label, on: { keydown: event => {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      const next = (buttons.indexOf(document.activeElement) + move + buttons.length) % buttons.length;
      buttons[next].focus();
      pick(next);
    } } }, buttons);
    return { list, pick };
  }

  // ---- summary

  const median = data.after.median_ms;
  const before = data.before ? data.before.median_ms : data.tuned.baseline_ms;
  function summary() {
    const figure = (label, value, unit, sub, kind) => el("div", { class: "card figure" }, el("div", { class: "label" }, label),
      el("div", { class: "value " + (kind || "") }, value, unit && el("small", {}, " " + unit)), el("div", { class: "sub" }, sub));
    const [number, unit] = time(median * 1e3).split(" ");
    const speedup = before > 0 && median > 0 ? before / median : 0;
    const fine = data.tuned.relative_error <= data.tuned.accepted_error;
    section("summary").append(
      el("div", { class: "hero" }, el("div", { class: "name" }, data.name),
        el("div", { class: "about" }, data.file + " · " + bytes(data.file_bytes) + " · " + data.precision + " · aitune " + data.aitune),
        el("div", { class: "about mono" }, data.inputs.join(", ") + "  →  " + data.outputs.join(", "))),
      el("div", { class: "grid cards" },
        figure("Latency", number, unit, "median of " + plural(data.after.runs, "run") + ", " + plural(data.machine.threads, "thread")),
        figure("Throughput", (1e3 / median).toLocaleString("en", { maximumSignificantDigits: 3 }), "per s", "runs one after another"),
        speedup ? figure("Speed-up", round(speedup), "×", "the reference engine takes " + time(before * 1e3)) : null,
        figure("Relative error", error(data.tuned.relative_error), "", "on " + plural(data.tuned.samples, "sample") + "; allowed: " + error(data.tuned.accepted_error), fine ? "good" : "bad"),
        figure("Kernels", String(data.steps.length), "", data.nodes.length ? "for " + plural(data.nodes.length, "ATen node") : "steps of the plan"),
        figure("Working memory", ...bytes(data.memory.arena_bytes).split(" "), "beside " + bytes(data.memory.constant_bytes) + " of weights")));
  }

  // ---- latency

  function histogram(of, name) {
    const W = 560, H = 190, left = 34, bottom = 26, top = 20;
    const times = of.times_ms, low = of.min_ms, clip = Math.min(Math.max(of.p90_ms + 2.5 * (of.p90_ms - low), of.median_ms * 1.05, low + 1e-6), Math.max(of.max_ms, low + 1e-6));
    const beyond = times.filter(t => t > clip).length;
    const count = Math.max(1, Math.min(44, Math.ceil(Math.sqrt(times.length) * 2)));
    const bins = new Array(count).fill(0);
    for (const t of times) if (t <= clip) bins[Math.min(count - 1, Math.floor((t - low) / (clip - low) * count))]++;
    const most = Math.max(...bins), x = t => left + (Math.min(t, clip) - low) / (clip - low) * (W - left - 12), y = n => H - bottom - n / most * (H - bottom - top - 14);
    const chart = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `Distribution of the latency of the ${of.of}: median ${time(of.median_ms * 1e3)}, 99th percentile ${time(of.p99_ms * 1e3)}` });
    bins.forEach((n, i) => n && chart.append(svg("rect", { x: left + i * (W - left - 12) / count + 0.5, width: (W - left - 12) / count - 1, y: y(n), height: H - bottom - y(n), rx: 2, fill: colour(name), "fill-opacity": 0.75 },
      svg("title", {}, `${n} of ${times.length} from ${time((low + i * (clip - low) / count) * 1e3)}`))));
    chart.append(svg("line", { class: "axis", x1: left, x2: W - 12, y1: H - bottom, y2: H - bottom }));
    for (let i = 0; i <= 4; i++) {
      const t = low + i / 4 * (clip - low);
      chart.append(svg("text", { x: x(t), y: H - 8, "text-anchor": i === 0 ? "start" : i === 4 ? "end" : "middle" }, time(t * 1e3)));
    }
    let last = -99, row = 0;
    if (beyond) chart.append(svg("text", { x: W - 12, y: top + 2, "text-anchor": "end" }, `${percent(beyond / times.length)} beyond, up to ${time(of.max_ms * 1e3)} →`));
    for (const [label, t] of [["p50", of.median_ms], ["p90", of.p90_ms], ["p99", of.p99_ms]]) {
      if (t > clip) continue;
      row = x(t) - last < 30 ? row + 1 : 0;
      last = x(t);
      chart.append(svg("line", { x1: x(t), x2: x(t), y1: top - 4 + 11 * row, y2: H - bottom, stroke: "var(--ink)", "stroke-opacity": 0.5, "stroke-dasharray": "3 3" }), svg("text", { class: "strong", x: x(t) + 3, y: top + 2 + 11 * row }, label));
    }
    return chart;
  }
  function latency() {
    const pairs = [[data.before, "reference", "Before: the reference engine"], [data.after, "cpu", "After: the tuned plan"]].filter(pair => pair[0]);
    const columns = [["runs", "Runs"], ["min_ms", "min"], ["p10_ms", "p10"], ["median_ms", "median"], ["p90_ms", "p90"], ["p99_ms", "p99"], ["max_ms", "max"], ["mean_ms", "mean"], ["per_second", "per second"]];
    section("latency").append(
      el("p", { class: "lead" }, "Measured on this machine when the report was made, on the first recorded sample. When it was tuned: " + time(data.tuned.latency_ms * 1e3) + ", and " + time(data.tuned.baseline_ms * 1e3) + " by the reference engine, which computes every operator by itself in plain C++."),
      el("div", { class: pairs.length > 1 ? "grid two" : "grid" }, pairs.map(([of, engine, name]) => el("div", { class: "card" }, el("h3", { css: { "margin-top": "0" } }, name), of.times_ms.length < 5
        ? el("p", { class: "soft" }, plural(of.runs, "run") + " of " + of.times_ms.map(t => time(t * 1e3)).join(", ") + ": too few for a distribution.") : histogram(of, engine)))),
      el("div", { class: "card", css: { "margin-top": "1rem" } }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, ""), columns.map(c => el("th", { class: "num", scope: "col" }, c[1])))),
        el("tbody", {}, pairs.map(([of, engine]) => el("tr", {}, el("td", {}, tag(engine), " ", el("span", { class: "soft" }, of.of)), columns.map(([key]) => el("td", { class: "num" }, key === "runs" ? of.runs : key === "per_second" ? of.per_second.toLocaleString("en", { maximumSignificantDigits: 4 }) : time(of[key] * 1e3)))))))));
  }

  // ---- time

  function timeline() {
    const W = 1160, H = 40;
    const chart = svg("svg", { viewBox: `0 0 ${W} ${H + 16}`, role: "img", "aria-label": "The steps of a run in their order, as wide as they take time" });
    let at = 0;
    data.steps.forEach((step, i) => {
      const width = step.us / total * W;
      if (width > 0.05) {
        chart.append(svg("rect", { x: at, width: Math.max(width - 0.6, 0.15), y: 0, height: H, rx: width > 6 ? 3 : 0, fill: colour(engineOf(step)), "fill-opacity": i % 2 ? 0.9 : 0.68, css: { cursor: "pointer" }, on: { click: () => graph.showStep(i) } },
          svg("title", {}, `step ${i}: ${title(step)}\n${modulesOf(step).join(", ")}\n${time(step.us)}, ${percent(step.us / total)}`)));
      }
      at += width;
    });
    chart.append(svg("text", { x: 0, y: H + 13 }, "begin"), svg("text", { x: W, y: H + 13, "text-anchor": "end" }, time(total)));
    return chart;
  }
  const showStep = (i, text) => el("button", { class: "link", type: "button", on: { click: () => graph.showStep(i) } }, text);
  const showNode = (i, text) => el("button", { class: "link", type: "button", on: { click: () => graph.showNode(i) } }, text);
  const where = text => el("span", { class: "mono soft" }, text);
  /// "/home/me/model.py:29 in forward: x = self.conv(x)": the file's name and line, and the text below it.
  function source(code) {
    if (!code) return null;
    const parts = /^(.*?):(\d+) in ([^:]*): ?(.*)$/.exec(code);
    if (!parts) return where(code);
    return el("span", { class: "mono", title: code }, parts[1].split("/").pop() + ":" + parts[2], el("span", { class: "soft" }, " " + parts[3], parts[4] ? [el("br"), parts[4]] : null));
  }
  function times() {
    const steps = data.steps.map((step, i) => ({ step, i }));
    const most = Math.max(...data.steps.map(s => s.us), 1e-9);
    const bar = (us, engine, max) => el("span", { class: "whole" }, meter(us / (max || most), engine), time(us));
    const views = [
      table(steps, [
        { name: "#", number: true, value: r => -r.i, show: r => r.i },
        { name: "Time", value: r => r.step.us, show: r => bar(r.step.us, engineOf(r.step)) },
        { name: "Share", number: true, value: r => r.step.us, show: r => percent(r.step.us / total) },
        { name: "Engine", value: r => engineOf(r.step), show: r => tag(engineOf(r.step)) },
        { name: "Operators", value: r => title(r.step), wide: true, show: r => [showStep(r.i, title(r.step)), el("br"), where(modulesOf(r.step).slice(0, 6).join(", ") + (modulesOf(r.step).length > 6 ? ", …" : ""))] },
        { name: "Source", wide: true, show: r => source(r.step.code) },
      ], { sort: 1, label: "Time by step", text: r => title(r.step) + " " + modulesOf(r.step).join(" ") + " " + r.step.code + " " + r.step.name }),
      table(data.modules, [
        { name: "Time", value: r => r.us, show: r => bar(r.us, "cpu", total) },
        { name: "Share", number: true, value: r => r.us, show: r => percent(r.us / total) },
        { name: "Module", wide: true, show: r => el("span", { class: "mono", css: { "padding-left": (r.path ? r.path.split(".").length : 0) + "em" } }, r.path || "(the whole model)") },
        { name: "ATen nodes", number: true, value: r => r.nodes, show: r => r.nodes },
      ], { label: "Time by module", limit: 60, text: r => r.path }),
      table(data.nodes.map((node, i) => ({ node, i })), [
        { name: "Time", value: r => r.node.us, show: r => bar(r.node.us, r.node.steps.length ? engineOf(data.steps[r.node.steps[0]]) : "") },
        { name: "Node", value: r => r.node.name, wide: true, show: r => [showNode(r.i, r.node.name), el("br"), where(r.node.op)] },
        { name: "Result", show: r => where(r.node.type) },
        { name: "Module", value: r => r.node.module, wide: true, show: r => where(r.node.module) },
        { name: "Source", value: r => r.node.code, wide: true, show: r => source(r.node.code) },
        { name: "In step", number: true, show: r => r.node.steps.length ? r.node.steps.slice(0, 4).join(", ") + (r.node.steps.length > 4 ? ", …" : "") : "–" },
      ], { sort: 0, label: "Time by node", text: r => [r.node.name, r.node.op, r.node.module, r.node.code].join(" ") }),
      table(data.blocks.map((block, i) => ({ block, i })), [
        { name: "#", number: true, value: r => -r.i, show: r => r.i },
        { name: "Time", value: r => r.block.us, show: r => bar(r.block.us, r.block.engine, total) },
        { name: "Share", number: true, value: r => r.block.us, show: r => percent(r.block.us / total) },
        { name: "Engine", value: r => r.block.engine, show: r => tag(r.block.engine) },
        { name: "Steps", number: true, value: r => r.block.steps, show: r => r.block.steps },
        { name: "ATen nodes", number: true, value: r => r.block.nodes, show: r => r.block.nodes },
        { name: "Why", wide: true, show: r => r.block.why },
      ], { label: "Time by block", text: r => r.block.engine + " " + r.block.why }),
    ];
    const place = el("div");
    const choice = tabs(["By step", "By module", "By node", "By block"], i => place.replaceChildren(views[i].element), "Time by");
    const compiled = sum(data.steps.filter(s => engineOf(s) !== "reference").map(s => s.us)) / total;
    const used = [...new Set(data.steps.map(engineOf))];
    section("time").append(el("p", { class: "lead" }, percent(compiled) + " of the time is spent in compiled kernels. A kernel's time goes to the nodes in it that multiply matrices, or, where there is none, in equal parts to all of its nodes. The time of each step is the shortest of several runs, so that together they may take less than the median of whole runs."),
      el("div", { class: "card" }, timeline(), el("p", { class: "soft" }, used.map(engine => [tag(engine), "  "])),
        el("div", { class: "tools" }, choice.list, el("span", { class: "grow" }), search("Filter", text => views.forEach(view => view.filter(text)))), place));
    choice.pick(0);
  }

  // ---- fusion

  const nodeChip = i => el("button", { class: "chip", type: "button", title: data.nodes[i].code, on: { click: () => graph.showNode(i) } }, el("b", {}, shortOp(data.nodes[i].op)), " " + (data.nodes[i].module || data.nodes[i].name));
  function fusion() {
    const gone = data.nodes.map((node, i) => i).filter(i => !data.nodes[i].steps.length);
    const fused = data.steps.filter(step => step.nodes.length > 1).length;
    const box = (number, text) => el("div", {}, el("b", {}, number), el("span", { class: "soft" }, text));
    const arrow = el("div", { class: "arrow", "aria-hidden": "true" }, "→");
    const rows = table(data.steps.map((step, i) => ({ step, i })).filter(r => r.step.nodes.length), [
      { name: "#", number: true, value: r => -r.i, show: r => showStep(r.i, String(r.i)) },
      { name: "Nodes", number: true, value: r => r.step.nodes.length, show: r => r.step.nodes.length },
      { name: "Before: the model's ATen nodes", wide: true, show: r => r.step.nodes.map(nodeChip) },
      { name: "After: one step", wide: true, show: r => [tag(engineOf(r.step)), el("br"), where(r.step.operators.map(o => o.split(" @ ")[0]).join(" + "))] },
      { name: "Time", number: true, value: r => r.step.us, show: r => time(r.step.us) },
    ], { label: "Which nodes went into which step", text: r => r.step.nodes.map(n => [data.nodes[n].name, data.nodes[n].op, data.nodes[n].module, data.nodes[n].code].join(" ")).join(" ") });
    section("fusion").append(el("p", { class: "lead" }, "Which nodes of the model went into which kernel. A node stands in several rows where several kernels compute parts of it, or where it is cheaper to compute twice than to store."),
      el("div", { class: "card" }, el("div", { class: "flow" }, data.nodes.length ? [box(data.nodes.length, "ATen nodes"), arrow] : null, data.lowered_nodes ? [box(data.lowered_nodes, "nodes after lowering"), arrow.cloneNode(true)] : null, box(data.steps.length, "steps"), el("span", { class: "grow" }), box(fused, "of several nodes"), box(gone.length, "nodes need no step")),
        el("div", { class: "tools" }, search("Filter by node, module or source line", text => rows.filter(text))), rows.element,
        gone.length ? el("details", {}, el("summary", {}, plural(gone.length, "node") + " that need no step: folded into constants, equal to others, or without effect"), el("p", {}, gone.map(nodeChip))) : null));
  }

  // ---- memory

  function memory() {
    const W = 1160, H = 260, left = 64, bottom = 24, n = Math.max(1, data.steps.length), most = Math.max(1, data.memory.arena_bytes);
    const x = s => left + s / n * (W - left), y = b => 8 + (1 - b / most) * (H - bottom - 8);
    const chart = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "The arena over the run: where each intermediate result lies, and from which step to which" });
    for (let i = 0; i <= 4; i++) chart.append(svg("line", { class: "grid-line", x1: left, x2: W, y1: y(most * i / 4), y2: y(most * i / 4) }), svg("text", { x: left - 8, y: y(most * i / 4) + 4, "text-anchor": "end" }, bytes(most * i / 4)));
    data.memory.arena.forEach((piece, i) => chart.append(svg("rect", { x: x(piece.first), width: Math.max(x(piece.last + 1) - x(piece.first) - 0.5, 0.8), y: y(piece.offset + piece.bytes), height: Math.max(y(piece.offset) - y(piece.offset + piece.bytes) - 0.5, 0.5), rx: 1.5,
      fill: piece.name ? "var(--cpu)" : "var(--other)", "fill-opacity": 0.3 + 0.45 * ((i * 7) % 10) / 10 }, svg("title", {}, `${piece.name || "zeros around images, or work space"}\n${bytes(piece.bytes)} at ${bytes(piece.offset)}\nsteps ${piece.first} to ${piece.last}`))));
    let line = "";
    data.steps.forEach((step, i) => { line += (i ? "L" : "M") + x(i) + " " + y(step.live_bytes) + "L" + x(i + 1) + " " + y(step.live_bytes); });
    if (line) chart.append(svg("path", { d: line, fill: "none", stroke: "var(--reference)", "stroke-width": 2 }));
    for (let i = 0; i <= 6; i++) chart.append(svg("text", { x: x(n * i / 6), y: H - 6, "text-anchor": i === 6 ? "end" : i ? "middle" : "start" }, i === 0 ? "step 0" : Math.round(n * i / 6)));
    const peak = data.steps.reduce((best, step, i) => step.live_bytes > data.steps[best].live_bytes ? i : best, 0);
    const busiest = data.steps[peak];
    const m = data.memory;
    section("memory").append(el("p", { class: "lead" }, "Intermediate results share one arena of " + bytes(m.arena_bytes) + ". Each box is one of them: from the step that writes it to the last that reads it, at its address. The line is what is in use" + (busiest ? "; most of it, " + bytes(busiest.live_bytes) + ", at step " + peak + " (" + title(busiest) + ")." : ".")),
      el("div", { class: "card" }, data.memory.arena.length ? chart : el("p", { class: "soft" }, "This plan keeps nothing in the arena."),
        el("table", { css: { "margin-top": "1rem" } }, el("thead", {}, el("tr", {}, ["Arena", "Constants (weights)", "Code", "Inputs", "Outputs"].map(h => el("th", { scope: "col" }, h)))),
          el("tbody", {}, el("tr", {}, [m.arena_bytes, m.constant_bytes, m.code_bytes, m.input_bytes, m.output_bytes].map(b => el("td", {}, bytes(b))))))));
  }

  // ---- precision

  function errorChart() {
    const dots = [];
    data.steps.forEach((step, i) => step.values.forEach(value => typeof value.error === "number" && dots.push({ i, value, e: Math.max(value.error, 1e-9) })));
    if (!dots.length) return el("p", { class: "soft" }, "There are no errors by value: the program is not in the file, the plan is of an older version, or the reference engine was left out.");
    const W = 1160, H = 230, left = 64, bottom = 24, n = Math.max(1, data.steps.length);
    const bound = data.tuned.accepted_error || 1e-4;
    const high = Math.ceil(Math.log10(Math.max(bound, ...dots.map(d => d.e)))), low = Math.floor(Math.log10(Math.min(bound, ...dots.map(d => d.e))));
    const x = i => left + 8 + (i + 0.5) / n * (W - left - 16), y = e => 10 + (high - Math.log10(e)) / Math.max(1, high - low) * (H - bottom - 20);
    const chart = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Relative error of every value that the plan stores, in the order of the steps" });
    for (let p = low; p <= high; p++) chart.append(svg("line", { class: "grid-line", x1: left, x2: W, y1: y(10 ** p), y2: y(10 ** p) }), svg("text", { x: left - 8, y: y(10 ** p) + 4, "text-anchor": "end" }, "1e" + p));
    chart.append(svg("line", { x1: left, x2: W, y1: y(bound), y2: y(bound), stroke: "var(--bad)", "stroke-width": 1.5 }), svg("text", { x: W - 4, y: y(bound) - 5, "text-anchor": "end" }, "allowed for outputs: " + error(bound)));
    for (const d of dots) chart.append(svg("circle", { cx: x(d.i), cy: y(d.e), r: 3.2, fill: colour(engineOf(data.steps[d.i])), "fill-opacity": 0.8, css: { cursor: "pointer" }, on: { click: () => graph.showStep(d.i) } }, svg("title", {}, `${d.value.name} ${d.value.type}\nstep ${d.i}: ${title(data.steps[d.i])}\nrelative error ${error(d.value.error)}`)));
    return chart;
  }
  function precision() {
    const place = section("precision");
    place.append(el("p", { class: "lead" }, "How far each value that the plan stores is from what the reference engine computes for it: the norm of the difference over the norm of the reference. Nothing was taken apart for this; every kernel ran as it always does."),
      el("div", { class: "card" }, errorChart()));
    const blocks = table(data.blocks.map((block, i) => ({ block, i })), [
      { name: "Block", number: true, value: r => -r.i, show: r => r.i },
      { name: "Engine", value: r => r.block.engine, show: r => tag(r.block.engine) },
      { name: "Values are stored in", show: r => r.block.precisions.join(", ") },
      { name: "Largest error", number: true, value: r => typeof r.block.error === "number" ? r.block.error : r.block.error ? Infinity : -1, show: r => error(r.block.error) },
    ], { label: "Precision and error by block" });
    const cards = [el("div", { class: "card" }, el("h3", { css: { "margin-top": "0" } }, "By block"), blocks.element)];
    if (data.backends.length) {
      cards.push(el("div", { class: "card" }, el("h3", { css: { "margin-top": "0" } }, "What " + data.strategy + " tried"), el("table", {}, el("thead", {}, el("tr", {}, ["Backend", "Batch", "Time", "Times as fast", ""].map((h, i) => el("th", { scope: "col", class: i > 0 && i < 4 ? "num" : null }, h)))),
        el("tbody", {}, data.backends.map(b => el("tr", {}, el("td", { class: "wide" }, b.backend), el("td", { class: "num" }, b.batch || ""), el("td", { class: "num" }, b.latency_ms ? time(b.latency_ms * 1e3) : ""), el("td", { class: "num" }, b.speedup ? b.speedup.toFixed(2) : ""), el("td", { class: b.stays ? "whole good" : "wide" }, b.stays ? "stays" : b.problem || "slower")))))));
    }
    if (data.candidates.length) {
      cards.push(el("div", { class: "card" }, el("h3", { css: { "margin-top": "0" } }, "What tuning tried"), el("table", {}, el("thead", {}, el("tr", {}, ["Precision", "Time", "Error", "Built in", ""].map((h, i) => el("th", { scope: "col", class: i > 0 && i < 4 ? "num" : null }, h)))),
        el("tbody", {}, data.candidates.map(c => el("tr", {}, el("td", {}, c.precision), el("td", { class: "num" }, c.latency_ms ? time(c.latency_ms * 1e3) : ""), el("td", { class: "num" }, error(c.relative_error)), el("td", { class: "num" }, c.build_seconds.toFixed(1) + " s"), el("td", { class: "wide " + (c.chosen ? "good" : "") }, c.chosen ? "chosen" : c.problem || "slower")))))));
    }
    place.append(el("div", { class: cards.length > 1 ? "grid two" : "grid", css: { "margin-top": "1rem" } }, cards));
    if (data.kept_in_fp32.length) {
      const kept = table(data.kept_in_fp32, [{ name: "Product", wide: true, show: r => el("span", { class: "mono" }, r.module) }, { name: "Of all operations", number: true, value: r => r.share, show: r => percent(r.share) }, { name: "Why", wide: true, show: r => r.why }], { label: "Products kept in fp32" });
      place.append(el("div", { class: "card", css: { "margin-top": "1rem" } }, el("h3", { css: { "margin-top": "0" } }, "Products kept in fp32"), kept.element));
    }
  }

  function fallbacks() {
    const blocks = data.blocks.map((block, i) => ({ block, i })).filter(b => b.block.engine === "reference");
    const list = section("fallbacks");
    if (!data.fallbacks.length && !blocks.length) list.append(el("p", { class: "note fine" }, "Nothing: every node runs in compiled kernels."));
    data.fallbacks.forEach(text => list.append(el("p", { class: "note" }, text)));
    if (blocks.length) {
      list.append(el("div", { class: "card" }, table(blocks, [{ name: "Block", number: true, value: r => -r.i, show: r => r.i }, { name: "Steps", number: true, value: r => r.block.steps, show: r => r.block.steps }, { name: "Time", number: true, value: r => r.block.us, show: r => time(r.block.us) },
        { name: "Operators", wide: true, show: r => [...new Set(data.steps.filter(s => s.block === r.i).map(title))].join(", ") }, { name: "Why it is on the reference engine", wide: true, show: r => r.block.why }], { label: "Blocks on the reference engine" }).element));
    }
    if (data.warnings.length) list.append(el("h3", {}, "Warnings"), data.warnings.map(text => el("p", { class: "note" }, text)));
  }

  // ---- graph

  /// Places of boxes by rank: below all that they read, near the middle of it.
  function layOut(items, width, height) {
    const n = items.length, rank = new Array(n).fill(0), users = items.map(() => []);
    items.forEach((item, i) => item.inputs.forEach(k => { if (k < i) { rank[i] = Math.max(rank[i], rank[k] + 1); users[k].push(i); } }));
    for (let i = n - 1; i >= 0; i--) if (!items[i].inputs.length && users[i].length) rank[i] = Math.max(0, Math.min(...users[i].map(u => rank[u])) - 1);
    const rows = [];
    items.forEach((_, i) => (rows[rank[i]] = rows[rank[i]] || []).push(i));
    const x = new Array(n).fill(0), gap = width + 26;
    const settle = (row, wanted) => {
      row.sort((a, b) => wanted(a) - wanted(b) || a - b);
      const goal = row.map(wanted);
      let at = -Infinity;
      row.forEach((i, k) => { x[i] = Math.max(goal[k], at + gap); at = x[i]; });
      const shift = sum(row.map((i, k) => goal[k] - x[i])) / row.length;
      row.forEach(i => { x[i] += shift; });
    };
    const mean = list => sum(list.map(i => x[i])) / list.length;
    for (let round = 0; round < 6; round++) {
      const down = round % 2 === 0;
      (down ? rows : [...rows].reverse()).forEach(row => row && settle([...row], i => {
        const near = down ? items[i].inputs.filter(k => k < i) : users[i];
        return near.length ? mean(near) : x[i];
      }));
    }
    return items.map((_, i) => ({ x: x[i], y: rank[i] * (height + 30), rank: rank[i] }));
  }

  const hue = i => `hsl(${(i * 137.5) % 360} 62% 55%)`;
  const graph = (() => {
    const BOX = 184, TALL = 40;
    const state = { view: { x: 0, y: 0, k: 1 }, mode: "", boxes: [], places: [], chosen: -1, hits: [], hit: -1 };
    const world = svg("g", { id: "world" });
    const canvas = svg("svg", { id: "canvas", tabindex: 0, role: "application", "aria-label": "The graph. Arrow keys move, plus and minus zoom, 0 shows everything" }, world);
    const side = el("aside", { class: "side", "aria-live": "polite" });
    const results = el("div", { id: "results" });
    const found = el("span", { class: "soft", id: "found", role: "status" });
    const field = el("input", { type: "search", id: "search", placeholder: "Search nodes, operators, modules, lines", "aria-label": "Search the graph", on: { input: () => find(field.value), keydown: event => { if (event.key === "Enter") { event.preventDefault(); step(event.shiftKey ? -1 : 1); } } } });

    const models = {
      nodes: () => data.nodes.map((node, i) => ({ label: shortOp(node.op), sub: node.module || node.name, text: [node.name, node.op, node.module, node.code].join(" "), inputs: node.inputs, group: node.steps[0] ?? -1, us: node.us, engine: node.steps.length ? engineOf(data.steps[node.steps[0]]) : "" })),
      steps: () => data.steps.map((s, i) => ({ label: title(s), sub: time(s.us) + (modulesOf(s)[0] ? " · " + modulesOf(s)[0] : ""), text: [s.name, s.code, ...s.operators, ...s.values.map(v => v.name)].join(" "), inputs: s.inputs, group: i, us: s.us, engine: engineOf(s) })),
    };
    const cut = (text, most) => text.length > most ? text.slice(0, most - 1) + "…" : text;

    function apply() {
      const v = state.view;
      world.setAttribute("transform", `translate(${v.x.toFixed(2)} ${v.y.toFixed(2)}) scale(${v.k.toFixed(4)})`);
    }
    function size() { const r = canvas.getBoundingClientRect(); return { w: r.width || 800, h: r.height || 600 }; }
    function bounds() {
      const xs = state.places.map(p => p.x), ys = state.places.map(p => p.y);
      return { left: Math.min(...xs), right: Math.max(...xs) + BOX, top: Math.min(...ys), bottom: Math.max(...ys) + TALL };
    }
    function fit() {
      if (!state.places.length) return;
      const b = bounds(), { w, h } = size();
      // Everything, but never so small that nothing can be read: then its beginning.
      const all = Math.min(w / (b.right - b.left + 40), h / (b.bottom - b.top + 40), 1.1), k = Math.max(all, 0.85);
      const whole = all >= 0.85;
      state.view = { k, x: w / 2 - k * (whole ? (b.left + b.right) / 2 : state.places[0].x + BOX / 2), y: whole ? h / 2 - k * (b.top + b.bottom) / 2 : 24 - k * b.top };
      apply();
    }
    function everything() {
      if (!state.places.length) return;
      const b = bounds(), { w, h } = size(), k = Math.min(w / (b.right - b.left + 40), h / (b.bottom - b.top + 40), 1.1);
      state.view = { k, x: w / 2 - k * (b.left + b.right) / 2, y: h / 2 - k * (b.top + b.bottom) / 2 };
      apply();
    }
    function zoom(factor, cx, cy) {
      const v = state.view, { w, h } = size(), px = cx ?? w / 2, py = cy ?? h / 2, k = Math.min(4, Math.max(0.02, v.k * factor));
      v.x = px - (px - v.x) * k / v.k;
      v.y = py - (py - v.y) * k / v.k;
      v.k = k;
      apply();
    }
    function pan(dx, dy) { state.view.x += dx; state.view.y += dy; apply(); }
    function centre(i) {
      const { w, h } = size(), p = state.places[i], v = state.view;
      if (v.k < 0.5) v.k = 0.9;
      v.x = w / 2 - v.k * (p.x + BOX / 2);
      v.y = h / 2 - v.k * (p.y + TALL / 2);
      apply();
    }

    function draw(mode) {
      if (state.mode === mode) return;
      state.mode = mode;
      state.items = models[mode]();
      state.places = layOut(state.items, BOX, TALL);
      state.chosen = -1;
      const edges = svg("g"), boxes = svg("g");
      state.items.forEach((item, i) => {
        for (const k of item.inputs) {
          const a = state.places[k], b = state.places[i], inside = mode === "nodes" && item.group >= 0 && state.items[k].group === item.group;
          const x1 = a.x + BOX / 2, y1 = a.y + TALL, x2 = b.x + BOX / 2, y2 = b.y, far = b.rank - a.rank > 1;
          // Past what lies between, on the right of it.
          const sideways = far && Math.abs(x2 - x1) < BOX, out = Math.max(x1, x2) + BOX / 2 + Math.min(46, 8 + 6 * (b.rank - a.rank)), turn = Math.min(60, (y2 - y1) / 2);
          const path = sideways ? `M${x1} ${y1} C${x1} ${y1 + 0.5 * turn} ${out} ${y1 + 0.3 * turn} ${out} ${y1 + turn} L${out} ${y2 - turn} C${out} ${y2 - 0.3 * turn} ${x2} ${y2 - 0.5 * turn} ${x2} ${y2}`
            : `M${x1} ${y1} C${x1} ${(y1 + y2) / 2} ${x2} ${(y1 + y2) / 2} ${x2} ${y2}`;
          edges.append(svg("path", { class: inside ? "edge inside" : "edge", d: path, css: inside ? { stroke: hue(item.group) } : null }));
        }
      });
      state.boxes = state.items.map((item, i) => {
        const p = state.places[i], heat = Math.min(1, Math.sqrt(item.us / total) * 1.6);
        const box = svg("g", { class: "gnode", transform: `translate(${p.x} ${p.y})`, "data-index": i }, svg("title", {}, item.text),
          svg("rect", { class: "box", width: BOX, height: TALL, rx: 7 }),
          svg("rect", { width: 6, height: TALL, rx: 3, css: { fill: mode === "nodes" ? (item.group < 0 ? "var(--line)" : hue(item.group)) : colour(item.engine), stroke: "none" } }),
          heat > 0.02 ? svg("rect", { x: 6, y: TALL - 3.5, width: (BOX - 12) * heat, height: 3, rx: 1.5, css: { fill: "var(--reference)", stroke: "none" } }) : null,
          svg("text", { class: "op", x: 14, y: 16 }, cut(item.label, 20)), svg("text", { x: 14, y: 31 }, cut(item.sub, 25)));
        if (mode === "nodes" && item.group < 0) box.style.opacity = 0.55;
        boxes.append(box);
        return box;
      });
      world.replaceChildren(edges, boxes);
      find(field.value);
      overview();
      fit();
    }

    function overview() {
      side.replaceChildren(el("h3", {}, state.mode === "nodes" ? "ATen nodes of the model" : "Steps of the plan"),
        el("p", { class: "soft" }, state.mode === "nodes" ? "Nodes of one colour were fused into one kernel; thick edges stay inside of it and never touch memory. Faint nodes need no step. The bar at the bottom is the share of the time." : "Each box is one step; edges are results that lie in memory between them."),
        el("p", { class: "soft" }, "Drag to move, Ctrl and wheel to zoom, or with the keyboard: arrows, +, −, 0. Choose a box for all that is known of it."),
        ...data.has_graph || state.mode === "steps" ? [] : [el("p", { class: "note" }, "The program is not in the file, or in another form than it was tuned from: nodes stand without edges.")]);
    }
    const row = (name, ...value) => [el("dt", {}, name), el("dd", {}, ...value)];
    function describe(i) {
      const out = [];
      if (state.mode === "nodes") {
        const node = data.nodes[i], users = data.nodes.map((n, k) => k).filter(k => data.nodes[k].inputs.includes(i));
        out.push(el("h3", {}, node.name), el("dl", {}, row("Operator", el("span", { class: "mono" }, node.op)), node.type && row("Result", el("span", { class: "mono" }, node.type)), node.module && row("Module", node.module), node.code && row("Source", source(node.code)),
          row("Time", time(node.us) + ", " + percent(node.us / total)),
          row("Computed by", node.steps.length ? node.steps.map(s => [el("button", { class: "link", type: "button", on: { click: () => showStepBox(s) } }, `step ${s}: ${title(data.steps[s])}`), el("br")]) : "no step: lowering folded it, or found it needless"),
          node.inputs.length ? row("Reads", node.inputs.map(k => [el("button", { class: "link", type: "button", on: { click: () => choose(k, true) } }, data.nodes[k].name), " "])) : null,
          users.length ? row("Read by", users.map(k => [el("button", { class: "link", type: "button", on: { click: () => choose(k, true) } }, data.nodes[k].name), " "])) : null));
      } else {
        const s = data.steps[i], users = data.steps.map((t, k) => k).filter(k => data.steps[k].inputs.includes(i));
        out.push(el("h3", {}, `Step ${i}`), el("dl", {}, row("Operators", s.operators.length ? s.operators.map(o => [o, el("br")]) : s.kind), row("Time", time(s.us) + ", " + percent(s.us / total)), row("Engine", tag(engineOf(s)), ` block ${s.block}`), s.code && row("Source", source(s.code)),
          row("Reads and writes", bytes(s.moved_bytes) + (s.us > 0 ? `, at most ${round(s.moved_bytes / s.us / 1e3)} GB/s` : "")),
          s.values.length ? row("Leaves in memory", s.values.map(v => [el("span", { class: "mono" }, v.name + " " + v.type), v.error === null ? null : " error " + error(v.error), el("br")])) : null,
          s.nodes.length ? row("The model's nodes in it", s.nodes.map(nodeChip)) : null, row("Kernel", el("span", { class: "mono" }, s.name)),
          s.inputs.length ? row("Reads from", s.inputs.map(k => [el("button", { class: "link", type: "button", on: { click: () => choose(k, true) } }, "step " + k), " "])) : null,
          users.length ? row("Read by", users.map(k => [el("button", { class: "link", type: "button", on: { click: () => choose(k, true) } }, "step " + k), " "])) : null));
      }
      side.replaceChildren(...out);
      side.scrollTop = 0;
    }
    function choose(i, move) {
      if (state.chosen >= 0 && state.boxes[state.chosen]) state.boxes[state.chosen].classList.remove("chosen");
      state.chosen = i;
      state.boxes[i].classList.add("chosen");
      state.boxes[i].parentNode.append(state.boxes[i]);
      describe(i);
      if (move) centre(i);
    }
    function find(text) {
      const wanted = text.trim().toLowerCase();
      state.hits = wanted ? state.items.map((item, i) => i).filter(i => state.items[i].text.toLowerCase().includes(wanted)) : [];
      state.hit = -1;
      const hits = new Set(state.hits);
      state.boxes.forEach((box, i) => { box.classList.toggle("hit", hits.has(i)); box.classList.toggle("dim", wanted !== "" && !hits.has(i)); });
      found.textContent = wanted ? `${state.hits.length} found` : "";
    }
    function step(by) {
      if (!state.hits.length) return;
      state.hit = (state.hit + by + state.hits.length) % state.hits.length;
      found.textContent = `${state.hit + 1} of ${state.hits.length}`;
      choose(state.hits[state.hit], true);
    }
    function showStepBox(i) { mode.pick(1); choose(i, true); }

    let drag = null;
    canvas.addEventListener("pointerdown", event => { drag = { x: event.clientX, y: event.clientY, moved: false, on: event.target.closest(".gnode") }; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", event => {
      if (!drag) return;
      const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
      if (!drag.moved && Math.hypot(dx, dy) < 4) return;
      drag.moved = true;
      drag.x = event.clientX;
      drag.y = event.clientY;
      pan(dx, dy);
    });
    canvas.addEventListener("pointerup", () => { if (drag && !drag.moved && drag.on) choose(Number(drag.on.getAttribute("data-index")), false); drag = null; });
    canvas.addEventListener("pointercancel", () => { drag = null; });
    canvas.addEventListener("wheel", event => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const r = canvas.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY * 0.003), event.clientX - r.left, event.clientY - r.top);
    }, { passive: false });
    canvas.addEventListener("keydown", event => {
      const move = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
      if (move) pan(...move);
      else if (event.key === "+" || event.key === "=") zoom(1.25);
      else if (event.key === "-") zoom(0.8);
      else if (event.key === "0") everything();
      else return;
      event.preventDefault();
    });

    const mode = tabs(["Nodes", "Steps"], i => draw(i ? "steps" : "nodes"), "What the graph shows");
    const tool = (text, label, call) => el("button", { class: "tool", type: "button", title: label, "aria-label": label, on: { click: call } }, text);
    section("graph").append(el("p", { class: "lead" }, "The whole model to look around in: before fusion, as ATen nodes, and after it, as the steps that the plan runs."),
      el("div", { class: "tools" }, mode.list, field, tool("‹", "Previous match", () => step(-1)), tool("›", "Next match", () => step(1)), found, el("span", { class: "grow" }), tool("−", "Smaller", () => zoom(0.8)), tool("+", "Larger", () => zoom(1.25)), tool("Everything", "Show everything", everything)),
      results, el("div", { class: "card stage" }, canvas, side));
    mode.pick(data.nodes.length ? 0 : 1);
    const reveal = () => section("graph").scrollIntoView();
    return {
      showNode(i) { mode.pick(0); choose(i, true); reveal(); canvas.focus({ preventScroll: true }); },
      showStep(i) { showStepBox(i); reveal(); canvas.focus({ preventScroll: true }); },
    };
  })();

  // ---- settings and machine

  function setup() {
    const rows = list => el("table", {}, el("tbody", {}, list.map(([name, value]) => el("tr", {}, el("td", { class: "soft" }, name), el("td", { class: "wide mono" }, value)))));
    const m = data.machine;
    section("setup").append(el("div", { class: "grid two" },
      el("div", { class: "card" }, el("h3", { css: { "margin-top": "0" } }, "Settings"), el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Settings" }, rows(data.settings.map(s => [s.name.replace(/^compile_config\./, ""), s.value === "" ? "–" : s.value])))),
      el("div", { class: "card" }, el("h3", { css: { "margin-top": "0" } }, "Machine"), rows([["CPU", m.cpu], ["CPUs", m.cpus], ["Threads used", m.threads], ["Features", m.features], ["The plan needs", m.plan_needs], ["Plan", data.plan], ["Precision", data.precision], ["Tuned in", round(data.tuned.seconds) + " s"], ["PyTorch program", data.portable ? "in the file" : "not in the file"]]))));
    section("footer").append("Made by aitune " + data.aitune + " from " + data.file + ". This page needs no network.");
  }

  function frame() {
    section("title").textContent = data.name;
    const names = { summary: "Summary", latency: "Latency", time: "Time", fusion: "Fusion", memory: "Memory", precision: "Error", fallbacks: "Fallbacks", graph: "Graph", setup: "Settings" };
    for (const [id, name] of Object.entries(names)) section("sections").append(el("a", { href: "#" + id }, name));
    const button = section("theme");
    const set = dark => { document.documentElement.dataset.theme = dark ? "dark" : "light"; button.textContent = dark ? "Light" : "Dark"; button.setAttribute("aria-pressed", dark); };
    set(matchMedia("(prefers-color-scheme: dark)").matches);
    button.addEventListener("click", () => set(document.documentElement.dataset.theme !== "dark"));
  }

  frame();
  summary();
  latency();
  times();
  fusion();
  memory();
  precision();
  fallbacks();
  setup();
  document.documentElement.dataset.ready = "true";
})();
