// Tables of tags with meters.

function meter(name) {
  const cell = document.createElement("td");
  const bar = Object.assign(document.createElement("meter"), { min: 0, max: 1 });
  bar.setAttribute("aria-label", name);
  cell.append(bar, document.createElement("span"));
  return cell;
}

function set(cell, value) {
  // Rounded, because it is what a screen reader says.
  cell.firstChild.value = value.toFixed(2);
  cell.lastChild.textContent = value.toFixed(2);
}

export class TagTable {
  /** A table with one column of meters for each of `names`. */
  constructor(body, names) {
    this.body = body;
    this.names = names;
    this.rows = [];
  }

  /** Which classes are shown, in this order. */
  choose(classes, order) {
    if (order.join() === this.rows.map((row) => row.index).join()) return;
    this.rows = order.map((index) => {
      const row = document.createElement("tr");
      const name = Object.assign(document.createElement("th"), { scope: "row", textContent: classes[index] });
      const cells = this.names.map((column) => meter(`${classes[index]}${column}`));
      row.append(name, ...cells);
      return { index, row, cells };
    });
    this.body.replaceChildren(...this.rows.map(({ row }) => row));
  }

  /** Shows values, one vector a column. */
  show(...columns) {
    for (const { index, cells } of this.rows) cells.forEach((cell, column) => set(cell, columns[column][index]));
  }
}

/** The indices of the largest values, the largest first. */
export function largest(values, count) {
  return Array.from(values.keys()).sort((one, other) => values[other] - values[one]).slice(0, count);
}
