// What a viewer decides about a record: chosen, confirmed, and done by the node or refused in its words.

import { useEffect, useRef, useState } from "preact/hooks";
import { call, CallError } from "../api";
import { reread } from "../load";
import { Failure } from "./parts";

export interface Decision {
  // What the button says.
  title: string;
  // What will have happened, in a sentence: said before, and after.
  effect: string;
  method: string;
  reason: "none" | "optional" | "required";
}

// The decisions on the record as it was read with this etag. What is confirmed is what was said when it was chosen: when that changes
// before the confirmation, it has to be chosen anew.
export function Decisions(props: { name: string; etag: string; decisions: Decision[]; onDone: (effect: string) => void }) {
  const [chosen, setChosen] = useState<Decision & { etag: string }>();
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<CallError>();
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.focus(), [chosen]);

  const now = props.decisions.find((decision) => decision.title === chosen?.title);
  const changed = chosen && (chosen.etag !== props.etag || chosen.effect !== now?.effect);

  const choose = (decision: Decision | undefined) => {
    setChosen(decision && { ...decision, etag: props.etag });
    setError(undefined);
    setReason("");
  };
  const decide = async (decision: Decision & { etag: string }) => {
    setBusy(true);
    setError(undefined);
    try {
      await call(decision.method, { name: props.name, etag: decision.etag, ...(reason.trim() ? { reason: reason.trim() } : {}) });
      props.onDone(decision.effect);
    } catch (failure) {
      setError(failure instanceof CallError ? failure : new CallError("INTERNAL", "", String(failure)));
      // It may have been done all the same, or by somebody else.
      reread();
    }
    setBusy(false);
  };

  return (
    <div class="decisions">
      <p class="bar">
        {props.decisions.map((decision) => (
          <button key={decision.title} type="button" aria-expanded={chosen?.title === decision.title} disabled={busy} onClick={() => choose(decision)}>
            {decision.title}…
          </button>
        ))}
      </p>
      {chosen && (
        <form
          ref={form}
          tabIndex={-1}
          class="focusable"
          aria-label={`Confirm: ${chosen.title}`}
          onSubmit={(event) => {
            event.preventDefault();
            void decide(chosen);
          }}
          onKeyDown={(event) => event.key === "Escape" && !busy && choose(undefined)}
        >
          <p>{chosen.effect}</p>
          {chosen.reason !== "none" && (
            <label class="reason">
              <span>Reason{chosen.reason === "optional" && " (may be left out)"}</span>
              <textarea rows={3} maxLength={1000} required={chosen.reason === "required"} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
            </label>
          )}
          {error && <Failure error={error} what="This was not done." />}
          {changed && <p class="bad">What this was about has changed meanwhile. Look again, then choose again.</p>}
          <p class="bar">
            <button type="submit" class="primary" disabled={busy || changed}>
              Confirm: {chosen.title.toLowerCase()}
            </button>
            <button type="button" disabled={busy} onClick={() => choose(undefined)}>
              Cancel
            </button>
          </p>
        </form>
      )}
    </div>
  );
}
