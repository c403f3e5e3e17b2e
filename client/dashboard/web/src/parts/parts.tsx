// The small pieces that every view is made of.

import type { ComponentChildren, JSX } from "preact";
import type { CallError } from "../api";
import type { Loaded } from "../load";
import type { Grade, Verdict } from "../network";

const signs: Record<Grade, string> = { good: "●", warn: "▲", bad: "✕", none: "○" };

// A state: never by its colour alone.
export function Status({ verdict, children }: { verdict: Verdict; children?: ComponentChildren }) {
  return (
    <span class={`status ${verdict.grade}`}>
      <span aria-hidden="true">{signs[verdict.grade]}</span> {verdict.text}
      {children}
    </span>
  );
}

export function Panel({ title, note, children, id }: { title: string; note?: ComponentChildren; children: ComponentChildren; id?: string }) {
  return (
    <section class="panel" aria-label={title} id={id}>
      <header>
        <h2>{title}</h2>
        {note !== undefined && <p class="note">{note}</p>}
      </header>
      {children}
    </section>
  );
}

// A table wider than its place scrolls by itself, by keyboard too.
export function Scroll({ label, children, tall }: { label: string; children: ComponentChildren; tall?: boolean }) {
  return (
    <div class={tall ? "scroll tall" : "scroll"} role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

// `what` says what did not happen.
export function Failure({ error, again, what = "This could not be read." }: { error: CallError; again?: () => void; what?: string }) {
  return (
    <div class="failure" role="alert">
      <p>
        <strong>{error.code === "PERMISSION_DENIED" ? "Not permitted." : what}</strong> {error.message}
        {error.field && ` (${error.field})`}
      </p>
      <p class="note">
        {error.code}
        {error.reason && error.reason !== error.code && ` · ${error.reason}`}
      </p>
      {again && error.code !== "PERMISSION_DENIED" && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

// What is loaded, or why it is not. A failure after data was read shows above the data, which is then old.
export function Shown<T>({ loaded, children }: { loaded: Loaded<T>; children: (data: T) => JSX.Element }) {
  return (
    <>
      {loaded.error && <Failure error={loaded.error} again={loaded.again} />}
      {loaded.data !== undefined ? children(loaded.data) : !loaded.error && <Empty>Reading…</Empty>}
    </>
  );
}

// One of several; arrow keys are the browser's own for radio buttons.
export function Choice<T extends string>(props: {
  legend: string;
  name: string;
  value: T;
  options: { value: T; text: string }[];
  onChange: (value: T) => void;
}) {
  return (
    <fieldset class="choice">
      <legend class="hidden">{props.legend}</legend>
      {props.options.map((option) => (
        <label key={option.value}>
          <input
            type="radio"
            name={props.name}
            value={option.value}
            checked={props.value === option.value}
            onChange={() => props.onChange(option.value)}
          />
          <span>{option.text}</span>
        </label>
      ))}
    </fieldset>
  );
}
