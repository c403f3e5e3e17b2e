// One record's fields, read when somebody asks for them: what is behind a number, a name in a list, a search result.

import { useState } from "preact/hooks";
import { call } from "../api";
import { calendarDate, clock, collectionOf } from "../format";
import { useLoaded } from "../load";
import type { AnyRecord, CalendarDate } from "../messages";
import { readers } from "../readers";
import { Empty, Shown } from "./parts";

// A report's forms are files of their own.
const unshown = new Set(["name", "etag", "conflicts", "withdrawn", "html", "csv"]);

const words = (field: string) => field.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

function isDate(value: object): value is CalendarDate {
  return "year" in value && "month" in value && "day" in value;
}

// Text of a field's value; empty when nothing was said.
function textOf(value: unknown): string {
  if (value === null || value === undefined || value === false) return "";
  if (value === true) return "yes";
  if (typeof value === "string") {
    if (/^[A-Z]+(_[A-Z0-9]+)+$/.test(value)) return value.endsWith("_UNSPECIFIED") ? "" : value.toLowerCase().replaceAll("_", " ");
    return /^\d{4}-\d\d-\d\dT/.test(value) ? clock(value) : value;
  }
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) {
    const texts = value.map(textOf).filter(Boolean);
    return texts.join(value.some((each) => typeof each === "object") ? "\n" : ", ");
  }
  if (isDate(value)) return calendarDate(value);
  return Object.entries(value)
    .map(([field, each]) => [words(field), textOf(each)])
    .filter(([, text]) => text)
    .map(([field, text]) => `${field}: ${text}`)
    .join("; ");
}

export function RecordFields({ name }: { name: string }) {
  const collection = collectionOf(name);
  const method = readers[collection];
  const loaded = useLoaded(() => (method ? call<AnyRecord>(method, { name }) : Promise.resolve(undefined)), `record ${name}`, [collection]);
  return (
    <Shown loaded={loaded}>
      {(answer) => {
        if (!answer) return <Empty>This page shows no records of “{collection}”.</Empty>;
        const fields = Object.entries(answer.data)
          .filter(([field]) => !unshown.has(field))
          .map(([field, value]) => [words(field), textOf(value)] as const)
          .filter(([, text]) => text);
        return (
          <>
            {answer.data.withdrawn && <p class="bad">Withdrawn.</p>}
            {(answer.data.conflicts?.length ?? 0) > 0 && (
              <p>
                <a class="bad" href="#/work/conflicts">
                  In conflict: {answer.data.conflicts?.map((each) => each.field).join(", ")}
                </a>
              </p>
            )}
            <dl class="fields">
              {fields.map(([field, text]) => [<dt key={`${field} name`}>{field}</dt>, <dd key={field}>{text}</dd>])}
            </dl>
          </>
        );
      }}
    </Shown>
  );
}

// A record's name, or `text` for it, that opens its fields below.
export function RecordName({ name, text }: { name: string; text?: string }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="link" aria-expanded={open} onClick={() => setOpen(!open)}>
        {text || name}
      </button>
      {open && (
        <div class="record" role="group" aria-label={`Fields of ${name}`}>
          {text && <p class="note">{name}</p>}
          <RecordFields name={name} />
        </div>
      )}
    </>
  );
}
