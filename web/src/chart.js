// Charts by data-chart: JSON made by api/console/chart.go. ECharts comes with
// this module only, in a chunk of its own, with what we draw and no more.
//
// Strict CSP: the tooltip is drawn on the canvas (richText), since its HTML form
// needs style attributes.
import * as echarts from "echarts/core";
import { BarChart, LineChart, MapChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, MarkLineComponent, MarkPointComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

echarts.use([BarChart, LineChart, MapChart, AriaComponent, GridComponent, LegendComponent, MarkLineComponent, MarkPointComponent, TooltipComponent, VisualMapComponent, CanvasRenderer]);

const colours = ["#066fd1", "#f76707", "#2fb344", "#ae3ec9", "#0ca678", "#d63939"];
const font = { fontFamily: "inherit", fontSize: 12 };
const kinds = { days, bars, map, curve };

export async function start(element) {
  const spec = JSON.parse(element.dataset.chart);
  const make = kinds[spec.kind];
  if (!make) throw new Error(`no chart of kind ${spec.kind}`);
  const option = await make(spec);
  const chart = echarts.init(element, null, { renderer: "canvas" });
  chart.setOption({
    color: colours,
    animation: false,
    textStyle: { ...font, fontFamily: getComputedStyle(element).fontFamily },
    aria: { enabled: true, label: { description: spec.label } },
    ...option,
  });
  new ResizeObserver(() => chart.resize()).observe(element);
  // Tests and the editor's live curve reach the chart by its element.
  element.addEventListener("chart:update", async (event) => {
    chart.setOption({ ...(await kinds[event.detail.kind](event.detail)) }, { replaceMerge: ["series"] });
  });
  element.dataset.chartReady = "";
}

const tooltip = { renderMode: "richText", confine: true };

/** days: {labels, series: [{name, type: "line"|"bar", axis: 0|1, data}], axes: [name, name]} */
function days(spec) {
  return {
    tooltip: { ...tooltip, trigger: "axis" },
    legend: { bottom: 0 },
    grid: { left: 8, right: 8, top: 32, bottom: 32, containLabel: true },
    xAxis: { type: "category", data: spec.labels, axisTick: { alignWithLabel: true } },
    yAxis: spec.axes.map((name, i) => ({ type: "value", name, minInterval: i === 0 ? 1 : undefined, splitLine: { show: i === 0 } })),
    series: spec.series.map((s) => ({ name: s.name, type: s.type, yAxisIndex: s.axis || 0, data: s.data, symbolSize: 5, barMaxWidth: 28 })),
  };
}

/** bars: {labels, name, data}, lying, the first on top */
function bars(spec) {
  return {
    tooltip: { ...tooltip, trigger: "axis", axisPointer: { type: "shadow" } },
    grid: { left: 8, right: 40, top: 8, bottom: 8, containLabel: true },
    xAxis: { type: "value", minInterval: 1 },
    yAxis: { type: "category", data: spec.labels, inverse: true, axisTick: { show: false } },
    series: [{ name: spec.name, type: "bar", data: spec.data, barMaxWidth: 18, label: { show: true, position: "right" } }],
  };
}

/**
 * map: {name, unit, data: [{code, value}]}, of the province's cities; a code that
 * the map does not have (the province's own) is left to the table beside.
 */
async function map(spec) {
  const { default: shape } = await import("./henan-map.json");
  const names = new Map(shape.features.map((f) => [f.id, f.properties.name]));
  if (!echarts.getMap("henan")) echarts.registerMap("henan", structuredClone(shape));
  const data = spec.data.filter((d) => names.has(d.code)).map((d) => ({ name: names.get(d.code), value: d.value }));
  const most = Math.max(1, ...data.map((d) => d.value));
  return {
    tooltip: { ...tooltip, trigger: "item", formatter: (p) => `${p.name}  ${Number.isFinite(p.value) ? p.value : 0} ${spec.unit || ""}` },
    visualMap: { min: 0, max: most, left: 0, bottom: 0, itemHeight: 80, text: [String(most), "0"], inRange: { color: ["#e9f2fb", "#066fd1"] }, calculable: false },
    series: [{
      name: spec.name, type: "map", map: "henan", nameProperty: "name", data, selectedMode: false,
      layoutCenter: ["50%", "50%"], layoutSize: "96%",
      label: { show: true, fontSize: 11, color: "#182433", textBorderColor: "#fff", textBorderWidth: 2, formatter: (p) => p.name.replace(/市$/, "") },
      itemStyle: { borderColor: "#9aa8b8", areaColor: "#f4f6f9" },
      emphasis: { label: { show: true }, itemStyle: { areaColor: "#ffd8a8" } },
    }],
  };
}

/**
 * curve: {x, y, series: [{name, points: [[x, y], …], dashed}], marks: [{x, y, text}]},
 * points in order; where the line jumps there are two points of one x.
 */
function curve(spec) {
  return {
    tooltip: { ...tooltip, trigger: "axis" },
    legend: { bottom: 0 },
    grid: { left: 8, right: 24, top: 32, bottom: 40, containLabel: true },
    xAxis: { type: "value", name: spec.x, nameLocation: "middle", nameGap: 26, max: "dataMax" },
    yAxis: { type: "value", name: spec.y },
    series: spec.series.map((s, i) => ({
      name: s.name, type: "line", data: s.points, showSymbol: false,
      lineStyle: { width: 2, type: s.dashed ? "dashed" : "solid" },
      markPoint: i === 0 && spec.marks?.length ? {
        symbol: "pin", symbolSize: 44, itemStyle: { color: "#d63939" },
        label: { formatter: (p) => p.name, fontSize: 10 },
        data: spec.marks.map((m) => ({ name: m.text, coord: [m.x, m.y] })),
      } : undefined,
    })),
  };
}
