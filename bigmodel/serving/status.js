const service = told => {
  const { traffic, now } = told;
  const [p50, unit50] = ms(traffic.p50_seconds), [p99, unit99] = ms(traffic.p99_seconds);
  const shed = Object.entries(traffic.shed);
  const lost = shed.reduce((sum, [, count]) => sum + count, 0);
  const parts = [facts([
    ["Requests", number(traffic.requests_per_second), " a second"],
    ["Latency, p50", p50, unit50],
    ["Latency, p99", p99, unit99],
    ["Failed", share(traffic.failed)],
    ["Without room", whole(lost), shed.length ? " " + shed.map(([why, n]) => `${why} ${whole(n)}`).join(", ") : ""],
    ["In flight", whole(now.requests_in_flight), ` ${whole(now.requests_working)} at work`],
    ["Memory", whole(now.process_resident_bytes / 1e6), " MB"],
    ["Processes", whole(told.processes), now.ready < told.processes ? ` ${whole(now.ready)} ready` : ""],
  ])];
  if (traffic.requests) parts.push(
    curve(traffic.history.map(one => one.requests_per_second), "Requests a second", number),
    curve(traffic.history.map(one => one.p99_seconds), "Latency, p99", lasts));
  else parts.push(h("p", { class: "soft" }, "No predictions were asked for in the last five minutes."));
  return parts;
};
const quality = (version, limits) => {
  const { labelled, stored, figures, ...rest } = version.quality;
  const head = h("h3", {}, "Live quality");
  if (!labelled) return [head, h("p", { class: "soft" }, "No feedback yet. Labels sent to ",
    h("code", {}, `/v1/models/${version.model}/feedback`), " show here how good the answers were.")];
  const few = labelled < limits.labels ? ` Judged from ${whole(limits.labels)} on.` : "";
  return [head, h("p", { class: "soft small" }, `${whole(labelled)} of ${whole(stored)} stored predictions have a label `
    + `(${share(labelled / stored)}); half of the labels came within ${lasts(rest.delay_p50_seconds)}, `
    + `95 of 100 within ${lasts(rest.delay_p95_seconds)}.${few}`),
    grid("The latest labels with their 99 % interval; the stroke is the figure in training",
      [["Figure"], ["Live", "number"], ["Interval"], ["Training", "number"], ["All labels", "number wide"]],
      Object.entries(figures).map(([name, one]) => [[name.replace("_", " ") + " ", since(one.since)],
        number(one.value), interval(one), number(one.trained), number(one.total)]))];
};
const drift = (version, limits) => {
  const { rows, watched, answers, columns } = version.drift;
  const head = h("h3", {}, "Drift");
  if (!rows) return [head, h("p", { class: "soft" }, "No rows to compare with training yet.")];
  const few = rows < limits.rows ? ` They are judged from ${whole(limits.rows)} on.` : "";
  const cut = columns.length < watched ? ` Of ${whole(watched)} columns, the ${columns.length} that moved most.` : "";
  const old = answers ? "" : " This bundle does not know what its answers looked like: no reference for them.";
  const sorted = [...columns].sort((a, b) => (a.since === null) - (b.since === null));
  return [head, h("p", { class: "soft small" }, `The latest ${whole(rows)} rows against training.${few}${cut}${old}`),
    grid(`Grey: training; in colour: live. A PSI (population stability index) from ${number(limits.psi)} on is an alarm`,
      [["Column"], ["Distribution"], ["PSI", "number"], ["KS", "number wide"], ["Missing", "number wide"], ["New", "number wide"]],
      sorted.map(one => [[one.name + " ", since(one.since)], bars(one), number(one.psi, 2),
        number(one.ks, 2), share(one.missing), share(one.new)]))];
};
const learning = version => {
  const told = version.learning;
  if (!told) return [];
  const points = told.curve.filter(one => Object.keys(one.quality).length);
  const head = [h("h3", {}, "Learning"), told.problem ? h("p", {}, h("span", { class: "badge" }, "does not learn"), " " + told.problem) : null,
    h("p", { class: "soft small" }, told.learns ? `Learnt version ${whole(told.version)}, of ${whole(told.labels)} labels; ${whole(told.waiting || 0)} wait. `
      + `Changes noticed: ${whole(told.drifts)}; versions not published: ${whole(told.vetoes)}.` : "It answers with what it has learnt before.")];
  if (points.length < 2) return [...head, h("p", { class: "soft" }, "The curves come with the first labels.")];
  const values = version.task === "regression";
  const changes = points.map((one, i) => i && one.drifts > points[i - 1].drifts ? i : -1).filter(i => i > 0);
  const names = values ? [["rmse", "error of the live model"], ["frozen", "of the frozen one"]]
    : [["accuracy", "accuracy, live"], ["frozen", "frozen"], ["no_change", "last label"]];
  const refused = Object.entries(told.counts).filter(([name]) => name !== "learnt");
  const tables = [grid("Weights of the experts in the mixture, over all versions", [["Expert"], ["Weight"], ["Now", "number"]],
    Object.entries(told.weights).sort((a, b) => b[1] - a[1]).map(([name, now]) =>
      [name, spark(points.map(one => one.weights[name] || 0), name), number(now, 2)]))];
  if (Object.keys(told.challengers).length) tables.push(
    grid("Challengers: log loss of the mixture less theirs", [["Challenger"], ["Gain", "number"], ["Labels", "number"]],
      Object.entries(told.challengers).map(([name, one]) => [[name + " ", one.better ? h("span", { class: "badge" }, "better") : null],
        number(one.gain, 2), whole(one.labels)])));
  return [...head, lines(points.map(one => one.quality), names, changes), h("p", { class: "soft small" },
    `From ${clock(points[0].time)} to ${clock(points[points.length - 1].time)}. Labels learnt ${whole(told.counts.learnt || 0)}`
    + refused.map(([name, n]) => `, ${name} ${whole(n)}`).join("") + "."), ...tables];
};
const problems = found => Object.entries(found).map(([version, why]) =>
  h("p", { class: "small" }, h("span", { class: "badge" }, "does not answer"), " ", h("code", { title: version }, version.slice(0, 12)), " " + why));
const model = (name, versions, routing, limits) => {
  const asked = versions.reduce((sum, one) => sum + one.traffic.requests, 0);
  return h("section", { "aria-label": "model " + name }, ...versions.flatMap((version, index) => {
    const { traffic } = version;
    const [p99, unit] = ms(traffic.p99_seconds);
    return [h("h2", {}, index ? `${name}, also loaded` : name),
      h("p", { class: "soft" }, version.label ? h("span", { class: "name" }, version.label + " ") : null,
        version.label === "canary" ? number(routing.traffic.percent) + " % of the callers " : null,
        h("code", { title: version.version }, version.version.slice(0, 12)),
        ` ${version.task}, made ${new Date(version.created).toLocaleDateString()}`),
      ...(index ? [] : problems(routing.problems)),
      facts([
        ["Share of requests", asked ? share(traffic.requests / asked) : "–"],
        ["Rows", number(traffic.rows_per_second), " a second"],
        ["Latency, p99", p99, unit],
        ["Refused", share(traffic.refused)],
        ["Failed", share(traffic.failed)],
      ]), ...learning(version).filter(part => part), ...quality(version, limits), ...drift(version, limits)];
  }));
};
const errors = list => [h("h2", {}, "Recent errors"), list.length
  ? grid("The latest first; what was sent is never kept", [["When"], ["Status", "number"], ["What, where, and the request's id"]],
    list.map(one => [clock(one.time), String(one.status), [one.code.replaceAll("_", " ") + (one.model ? ` (${one.model})` : ""),
      h("code", {}, `${one.method} ${one.route}`), h("code", {}, one.request_id)]]))
  : h("p", { class: "soft" }, "Nothing was refused.")];

const show = told => {
  if (!told.versions) return say("The service has just begun", "The first figures come within two seconds.");
  const names = [...new Set(told.versions.map(version => version.model))];
  const count = told.alarms.length;
  const broken = Object.values(told.models).reduce((sum, one) => sum + Object.keys(one.problems).length, 0);
  say(count ? `${count} ${count === 1 ? "alarm" : "alarms"}: ` + told.alarms.slice(0, 3).map(one => `${one.name} of ${one.model}`).join(", ")
    + (count > 3 ? " and more" : "") : broken ? `${broken} ${broken === 1 ? "version does" : "versions do"} not answer` : told.now.ready ? "All is well" : "About to end",
    `${names.join(", ")} on ${told.processes} ${told.processes === 1 ? "process" : "processes"}, up for ${lasts(told.time - told.started)}`);
  at("when").textContent = "as of " + clock(told.time);
  if (getSelection().type === "Range") return;  // somebody is copying
  at("main").replaceChildren(...service(told),
    ...names.map(name => model(name, told.versions.filter(version => version.model === name), told.models[name], told.limits)),
    ...errors(told.errors));
};
const say = (state, hint) => {
  if (at("state").textContent !== state) at("state").textContent = state;
  at("hint").textContent = hint;
};
let key = "";
try { key = sessionStorage.getItem("key") || ""; } catch { /* then only as long as the page is open */ }
let timer = 0, gone = 0;
const look = async () => {
  clearTimeout(timer);
  try {
    const got = await fetch("/v1/status", { cache: "no-store", signal: AbortSignal.timeout(10000),
      headers: key ? { authorization: "Bearer " + key } : {} });
    const told = await got.json();
    const refused = got.status === 401 || got.status === 403;
    at("ask").hidden = !refused;
    document.body.classList.toggle("old", !got.ok);
    gone = 0;
    if (got.ok) show(told);
    else if (refused) {
      at("main").replaceChildren();
      say(got.status === 403 ? "This key may not see the status" : key ? "This key is not known" : "A key, please", told.error.message);
      return;
    } else say(`The service answered ${got.status}`, told.error.message + "; asking again");
  } catch {
    gone = gone || Date.now() / 1000;
    document.body.classList.add("old");
    say("The service does not answer", `Since ${clock(gone)}; asking again. What is below is from before.`);
  }
  timer = setTimeout(look, EVERY);
};
at("ask").addEventListener("submit", event => {
  event.preventDefault();
  key = at("key").value.trim();
  at("key").value = "";
  try { sessionStorage.setItem("key", key); } catch { /* as above */ }
  look();
});
document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(timer) : look());
look();
