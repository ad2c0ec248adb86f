// The charts' looks: colours out of the style sheet, one way of writing figures, tooltips made of elements because the
// content security policy allows no inline style in markup.
/* global echarts */

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const language = document.documentElement.lang;

const SERIES_COLOURS = {
  light: ["#0e4f49", "#c07a3e", "#7a9e87", "#8c5a6f", "#d0ae5e", "#4f6f8f", "#a8553f", "#6f7f4f"],
  dark: ["#56b3a6", "#e0a066", "#9cc3a8", "#c18aa3", "#e3c981", "#86a9cb", "#d98a75", "#a7b783"],
};

const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;

export function figure(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const digits = size >= 1000 || size === 0 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");
}

function tooltip(title, rows, unit, remark = "") {
  const box = document.createElement("div");
  box.style.cssText = "min-width:150px;font-variant-numeric:tabular-nums";
  const head = box.appendChild(document.createElement("div"));
  head.textContent = title;
  head.style.cssText = "margin-bottom:6px;opacity:.75";
  for (const row of rows) {
    const line = box.appendChild(document.createElement("div"));
    line.style.cssText = "display:flex;gap:8px;align-items:center";
    const dot = line.appendChild(document.createElement("i"));
    dot.style.cssText = "width:9px;height:9px;border-radius:2px";
    dot.style.background = row.colour;
    const name = line.appendChild(document.createElement("span"));
    name.textContent = row.name;
    const value = line.appendChild(document.createElement("b"));
    value.textContent = `${figure(row.value)} ${unit}`;
    value.style.cssText = "margin-left:auto;padding-left:18px;font-weight:600";
  }
  if (remark) {
    const line = box.appendChild(document.createElement("div"));
    line.textContent = remark;
    line.style.cssText = "margin-top:6px;max-width:260px;white-space:normal";
    line.style.color = css("--orange");
  }
  return box;
}

function frame() {
  const axis = { axisLine: { lineStyle: { color: css("--hair-strong") } }, axisTick: { show: false } };
  return {
    textStyle: { fontFamily: css("--text"), color: css("--soft") },
    animationDuration: 300,
    grid: { left: 6, right: 18, top: 34, bottom: 4, containLabel: true },
    legend: { top: 0, left: 0, type: "scroll", itemWidth: 12, itemHeight: 10, icon: "roundRect", itemGap: 18,
      textStyle: { color: css("--ink"), fontSize: 12 }, pageTextStyle: { color: css("--soft") },
      pageIconColor: css("--accent") },
    tooltip: { trigger: "axis", backgroundColor: css("--sheet"), borderColor: css("--hair-strong"), borderWidth: 1,
      padding: [10, 14], textStyle: { color: css("--ink"), fontSize: 12.5 }, confine: true },
    x: { ...axis, axisLabel: { color: css("--soft"), fontSize: 11.5, hideOverlap: true } },
    y: { type: "value", splitNumber: 4, splitLine: { lineStyle: { color: css("--hair") } },
      axisLabel: { color: css("--soft"), fontSize: 11.5, hideOverlap: true, formatter: (v) => figure(v).replace(/\.0+$|(\.\d*?)0+$/, "$1") } },
  };
}

const clock = (zone, more) => new Intl.DateTimeFormat(language, { timeZone: zone, hour12: false, ...more });

function loadOption(data) {
  const base = frame();
  const palette = SERIES_COLOURS[dark() ? "dark" : "light"];
  const time = clock(data.timezone, { hour: "2-digit", minute: "2-digit" });
  const full = clock(data.timezone, { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
  const series = data.series.map((own, index) => ({
    name: language === "en" ? own.en : own.zh,
    type: "line", stack: "load", symbol: "none", smooth: 0.2, connectNulls: false,
    lineStyle: { width: 1.2, color: palette[index % palette.length] },
    itemStyle: { color: palette[index % palette.length] },
    areaStyle: { opacity: 0.72, color: palette[index % palette.length] },
    emphasis: { focus: "series" },
    data: own.power_kw.map((power, step) => [data.start_ms + step * data.step_ms, power]),
  }));
  return {
    ...base,
    xAxis: { ...base.x, type: "time", splitNumber: 6, axisLabel: { ...base.x.axisLabel, formatter: (at) => time.format(at) } },
    yAxis: base.y,
    tooltip: { ...base.tooltip, formatter: (points) => tooltip(full.format(points[0].value[0]),
      points.map((p) => ({ name: p.seriesName, value: p.value[1], colour: p.color })).reverse(), "kW") },
    series,
  };
}

function scopesOption(data) {
  const base = frame();
  const colours = [css("--scope-1"), css("--scope-2"), css("--scope-3")];
  const missing = (day) => data.missing?.[day]; // sources that a day lacks, in words
  return {
    ...base,
    xAxis: { ...base.x, type: "category", data: data.labels },
    yAxis: base.y,
    tooltip: { ...base.tooltip, axisPointer: { type: "shadow", shadowStyle: { color: css("--wash"), opacity: 0.6 } },
      formatter: (points) => tooltip(points[0].name,
        points.map((p) => ({ name: p.seriesName, value: p.value, colour: p.color })).reverse(), "t",
        missing(points[0].dataIndex) && `${data.missing_word}: ${missing(points[0].dataIndex)}`) },
    series: data.scopes.map((scope, index) => ({
      name: scope.name, type: "bar", stack: "scope", barMaxWidth: 34,
      data: scope.tonnes.map((value, day) => (missing(day) ? { value, itemStyle: { opacity: 0.42 } } : value)),
      itemStyle: { color: colours[index], borderRadius: 2 },
    })),
  };
}

function sourcesOption(data, place) {
  const base = frame();
  place.style.height = `${44 + data.rows.length * 34}px`;
  const rows = [...data.rows].reverse();
  return {
    ...base,
    grid: { ...base.grid, top: 4, right: 48 },
    legend: { show: false },
    xAxis: { ...base.y },
    yAxis: { ...base.x, type: "category", data: rows.map((row) => row.name), axisLabel: { color: css("--ink"), fontSize: 12.5, width: 150, overflow: "truncate" } },
    tooltip: { ...base.tooltip, trigger: "item", formatter: (p) => tooltip(p.name, [{ name: rows[p.dataIndex].scope, value: p.value, colour: p.color }], "t") },
    series: [{
      type: "bar", barWidth: 16,
      data: rows.map((row) => ({ value: row.tonnes, itemStyle: { color: css(`--scope-${row.code}`), borderRadius: 3 },
        label: { position: row.tonnes < 0 ? "left" : "right" } })),
      label: { show: true, color: css("--soft"), fontSize: 12, formatter: (p) => figure(p.value) },
    }],
  };
}

function hoursOption(data) {
  const base = frame();
  const time = clock(data.timezone, { hour: "2-digit", minute: "2-digit" });
  return {
    ...base,
    xAxis: { ...base.x, type: "category", data: data.hours.map((hour) => time.format(hour.start_ms)) },
    yAxis: base.y,
    tooltip: { ...base.tooltip, axisPointer: { type: "shadow", shadowStyle: { color: css("--wash"), opacity: 0.6 } },
      formatter: (points) => tooltip(points[0].name,
        points.map((p) => ({ name: p.seriesName, value: p.value, colour: p.color })), data.unit) },
    series: [
      { name: data.words.measured, type: "bar", stack: "hour", barMaxWidth: 22, itemStyle: { color: css("--accent") },
        data: data.hours.map((hour) => hour.amount - hour.estimated) },
      { name: data.words.estimated, type: "bar", stack: "hour", barMaxWidth: 22, itemStyle: { color: css("--yellow"), opacity: 0.7 },
        data: data.hours.map((hour) => hour.estimated) },
    ],
  };
}

const OPTIONS = { load: loadOption, monthly: scopesOption, daily: scopesOption, sources: sourcesOption, hours: hoursOption };
const optionOf = (name) => OPTIONS[name.split(":")[0]];
const nothing = (name, figures) => (name === "load" ? figures.series.length === 0 : false);

export function draw(place, name, figures) {
  const held = { name, figures, place, chart: null, resize: () => held.chart?.resize() };
  redraw(held);
  return held;
}

export function redraw(held) {
  const { name, figures, place } = held;
  if (nothing(name, figures)) {
    place.firstElementChild && (place.firstElementChild.textContent = figures.nothing);
    return;
  }
  const option = optionOf(name)(figures, place);
  if (!held.chart) {
    place.replaceChildren();
    held.chart = echarts.init(place);
  }
  held.chart.setOption(option, true);
}
