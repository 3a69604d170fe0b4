import { element, setText } from './dom.js';
import { visible } from './format.js';

/**
 * @typedef {{ label: string, className?: string, sort?: string, text?: (row: object) => string, build?: (row: object) => Node, update?: (cell: HTMLElement, row: object) => void }} Column
 */

/** A table whose rows are kept by key while their texts change, so that the focus and a selection stay. */
export class Table {
  /** @type {Map<string, { node: HTMLElement, cells: HTMLElement[] }>} */
  #rows = new Map();
  #headers = [];

  /**
   * @param {HTMLElement} table an empty table, whose caption is there
   * @param {Column[]} columns
   * @param {{ keyOf: (row: object) => string, onSort?: (name: string) => void }} options
   */
  constructor(table, columns, { keyOf, onSort }) {
    Object.assign(this, { columns, keyOf });
    // Explicit roles: on a narrow screen each row is a block, and loses the role of its element.
    table.setAttribute('role', 'table');
    this.body = element('tbody', '');
    this.body.setAttribute('role', 'rowgroup');
    const row = element('tr', '', ...columns.map(column => this.#header(column, onSort)));
    row.setAttribute('role', 'row');
    const head = element('thead', '', row);
    head.setAttribute('role', 'rowgroup');
    table.append(head, this.body);
  }

  #header({ label, className, sort }, onSort) {
    const header = element('th', className ?? '');
    header.scope = 'col';
    header.setAttribute('role', 'columnheader');
    if (sort) {
      const trigger = element('button', 'sort', label);
      trigger.type = 'button';
      trigger.addEventListener('click', () => onSort(sort));
      header.append(trigger);
      this.#headers.push([sort, header]);
    } else {
      header.append(label);
    }
    return header;
  }

  /** @param {string} name @param {'ascending'|'descending'} direction */
  showSort(name, direction) {
    for (const [sort, header] of this.#headers) {
      if (sort === name) header.setAttribute('aria-sort', direction);
      else header.removeAttribute('aria-sort');
    }
  }

  /** @param {object[]} rows in order */
  update(rows) {
    const keys = new Set(rows.map(this.keyOf));
    for (const [key, { node }] of this.#rows) {
      if (keys.has(key)) continue;
      node.remove();
      this.#rows.delete(key);
    }
    let next = this.body.firstChild;
    for (const row of rows) {
      const { node, cells } = this.#rowOf(row);
      this.columns.forEach((column, place) => {
        if (column.text) setText(cells[place], visible(column.text(row)));
        column.update?.(cells[place], row);
      });
      if (node === next) next = next.nextSibling;
      else this.body.insertBefore(node, next);
    }
  }

  #rowOf(row) {
    const key = this.keyOf(row);
    const existing = this.#rows.get(key);
    if (existing) return existing;
    const cells = this.columns.map(({ label, className, build }) => {
      const cell = element('td', className ?? '', ...(build ? [build(row)] : []));
      cell.dataset.label = label;
      cell.setAttribute('role', 'cell');
      return cell;
    });
    const node = element('tr', '', ...cells);
    node.setAttribute('role', 'row');
    const made = { node, cells };
    this.#rows.set(key, made);
    return made;
  }
}
