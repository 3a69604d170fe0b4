import { element, setText } from './dom.js';
import { clock } from './format.js';

const svgNamespace = 'http://www.w3.org/2000/svg';
/** The size of the drawing; it is stretched to the room that it has. */
const [width, height] = [300, 64];
const topMargin = 4;

function draw(tag, attributes) {
  const node = document.createElementNS(svgNamespace, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/**
 * A figure with its course over the last minutes.
 * @typedef {{ name: string, value: (sample: object) => number|null }} Series
 */
export class Chart {
  #samples = [];
  #seconds = 300;
  #pointed = null;

  /**
   * @param {{ title: string, series: Series[], format: (value: number) => string, note?: (sample: object) => string, whole?: boolean }} options
   *   the first series is the figure; with `whole` the axis begins at zero, else at the least value
   */
  constructor(options) {
    this.options = options;
    this.figure = element('p', 'figure');
    this.aside = element('p', options.series.length > 1 ? 'aside second' : 'aside');
    this.range = element('p', 'range');
    this.svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img' });
    this.area = draw('path', { class: 'area' });
    this.lines = options.series.map((_, place) => draw('path', { class: `series-${place}` }));
    this.cursor = draw('path', { class: 'cursor' });
    this.svg.append(this.area, ...this.lines.toReversed(), this.cursor);
    const plot = element('div', 'plot', this.svg);
    plot.addEventListener('pointermove', event => this.#point(event));
    plot.addEventListener('pointerleave', () => {
      this.#pointed = null;
      this.#show();
    });
    this.node = element('div', 'chart', element('h3', '', options.title), this.figure, this.aside, plot, this.range);
  }

  #point({ clientX }) {
    const { left, width: shown } = this.svg.getBoundingClientRect();
    this.#pointed = (clientX - left) / shown;
    this.#show();
  }

  /** @param {object[]} samples oldest first @param {number} seconds how long the axis is */
  update(samples, seconds) {
    this.#samples = samples;
    this.#seconds = seconds;
    this.#draw();
    this.#show();
  }

  #draw() {
    const samples = this.#samples;
    const values = this.options.series.flatMap(({ value }) => samples.map(value)).filter(value => value !== null);
    const most = Math.max(...values, 0);
    const least = this.options.whole ? 0 : Math.min(...values, most);
    const span = most - least || 1;
    const end = samples.at(-1)?.time ?? 0;
    const x = ({ time }) => width - ((end - time) / 1000 / this.#seconds) * width;
    const y = value => height - ((value - least) / span) * (height - topMargin);
    this.options.series.forEach(({ value }, place) => {
      const path = pathOf(samples, value, x, y);
      this.lines[place].setAttribute('d', path);
      if (place === 0) this.area.setAttribute('d', path && `${path}L${width} ${height}L${x(samples.find(sample => value(sample) !== null)).toFixed(1)} ${height}Z`);
    });
    this.extent = values.length > 0 ? [Math.min(...values), most] : null;
  }

  #show() {
    const samples = this.#samples;
    const pointed = this.#pointed === null ? null : this.#nearest();
    const sample = pointed ?? samples.at(-1);
    const { series, format, note, title } = this.options;
    const value = sample ? series[0].value(sample) : null;
    setText(this.figure, value === null ? '–' : format(value));
    setText(this.aside, sample ? note?.(sample) ?? '' : '');
    this.cursor.setAttribute('d', pointed ? `M${this.#xOf(pointed)} 0V${height}` : '');
    const range = rangeOf(this.extent, format);
    setText(this.range, pointed ? `at ${clock.format(pointed.time)}` : range);
    if (!pointed) this.svg.setAttribute('aria-label', `${title} in the last minutes: ${range}`);
  }

  #xOf({ time }) {
    return (width - ((this.#samples.at(-1).time - time) / 1000 / this.#seconds) * width).toFixed(1);
  }

  #nearest() {
    const end = this.#samples.at(-1)?.time;
    if (end === undefined) return null;
    const time = end - (1 - this.#pointed) * this.#seconds * 1000;
    return this.#samples.reduce((best, sample) => (Math.abs(sample.time - time) < Math.abs(best.time - time) ? sample : best));
  }
}

function rangeOf(extent, format) {
  if (!extent) return 'no samples yet';
  const [least, most] = extent.map(format);
  return least === most ? `always ${least}` : `${least} to ${most}`;
}

/** Lifted where a sample has no value. */
function pathOf(samples, value, x, y) {
  let path = '';
  let down = false;
  for (const sample of samples) {
    const number = value(sample);
    if (number !== null) path += `${down ? 'L' : 'M'}${x(sample).toFixed(1)} ${y(number).toFixed(1)}`;
    down = number !== null;
  }
  return path;
}
