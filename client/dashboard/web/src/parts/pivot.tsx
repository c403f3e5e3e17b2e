// Numbers by two keys, each a row or a column, with the sums of the rows.

import type { ComponentChildren } from "preact";
import { sumOf } from "../figures";
import type { Figure } from "../messages";
import { Table } from "./table";

export interface Cell {
  row: string;
  column: string;
  figure: Figure | undefined;
}

interface Key {
  key: string;
  text: string;
}

export function Pivot(props: {
  label: string;
  corner: string;
  cells: Cell[];
  rows: Key[];
  columns: Key[];
  // The fields of a request in which the cells of one place differ.
  over?: string[];
  // Those in which the cells of one row differ; none when their sum says nothing.
  across?: string[];
  show: (figure: Figure, what: string) => ComponentChildren;
  more?: { title: string; cell: (row: string) => ComponentChildren }[];
  tall?: boolean;
}) {
  const at = (row: string, column?: string) => props.cells.filter((cell) => cell.row === row && (column === undefined || cell.column === column)).map((cell) => cell.figure);
  const { across } = props;
  return (
    <Table
      label={props.label}
      tall={props.tall}
      rows={props.rows}
      keyOf={(row) => row.key}
      columns={[
        { title: props.corner, cell: (row) => row.text, head: true },
        ...props.columns.map((column) => ({
          title: column.text,
          kind: "number" as const,
          cell: (row: Key) => props.show(sumOf(at(row.key, column.key), props.over ?? []), `${row.text}, ${column.text}`),
        })),
        ...(across ? [{ title: "All", kind: "number" as const, cell: (row: Key) => props.show(sumOf(at(row.key), across), row.text) }] : []),
        ...(props.more ?? []).map((column) => ({ title: column.title, kind: "number" as const, cell: (row: Key) => column.cell(row.key) })),
      ]}
    />
  );
}

// The keys that occur, in the order of `known`, then those of a later version.
export function keysOf(found: Iterable<string>, known: readonly string[], text: (key: string) => string): Key[] {
  const there = new Set(found);
  return [...known.filter((key) => there.has(key)), ...[...there].filter((key) => !known.includes(key))].map((key) => ({ key, text: text(key) }));
}
