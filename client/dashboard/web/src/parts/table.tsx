// A table of records, each column said once.

import type { ComponentChildren } from "preact";
import { Scroll } from "./parts";

export interface Column<T> {
  title: string;
  cell: (row: T) => ComponentChildren;
  kind?: "number" | "time" | "text";
  // Names the row to assistive technology.
  head?: boolean;
}

export function Table<T>(props: { label: string; columns: Column<T>[]; rows: T[]; keyOf: (row: T) => string; selected?: string; tall?: boolean; note?: ComponentChildren }) {
  return (
    <Scroll label={props.label} tall={props.tall}>
      <table>
        <thead>
          <tr>
            {props.columns.map((column) => (
              <th scope="col" class={column.kind === "number" ? "number" : undefined} key={column.title}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row) => (
            <tr key={props.keyOf(row)} class={props.selected && props.keyOf(row) === props.selected ? "selected" : undefined}>
              {props.columns.map((column) =>
                column.head ? (
                  <th scope="row" class={column.kind} key={column.title}>
                    {column.cell(row)}
                  </th>
                ) : (
                  <td class={column.kind} key={column.title}>
                    {column.cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {props.note && <p class="note">{props.note}</p>}
    </Scroll>
  );
}
