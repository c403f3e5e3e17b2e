// What a partner nation's system asks of a Fairlead network: one class, `Exchange`, over gRPC with mutual TLS.
//
// Every call is safe to make twice (the writes carry a request id), so a call whose node is away is made again: at the next node of the
// configuration, with the same tokens, and after pauses that grow. Any number of calls may be under way at once. `close` ends what is open.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const CALL_MS = 30_000; // of a call with all its attempts
const ATTEMPT_MS = 10_000; // of one attempt at one node
const AVOID_MS = 10_000; // how long a node that was away is asked last
const SILENCE_MS = 60_000; // a watch hears a heartbeat every 15 s; after this its connection is dead
const PAUSE_MS_MIN = 200;
const PAUSE_MS_MAX = 5_000;
const PAGE_SIZE = 200;
const MESSAGE_BYTES_MAX = 64 << 20; // a page of 1,000 long records

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Where the definitions of the API and those of google.rpc and google.type are, unless the configuration says otherwise. */
const PROTOS = [path.join(ROOT, 'api'), '/usr/share/gocode/src/github.com/gogo/googleapis'];

/**
 * @typedef {object} Config
 * @property {string} network the network's name, which its nodes' certificates bear
 * @property {string} certificate @property {string} key @property {string} ca PEM files
 * @property {string} [crl] revocation lists, PEM; `crl.pem` beside `ca` is used when it is there
 * @property {{site: string, address: string}[]} nodes the nation's region first, then headquarters
 * @property {string[]} [protos] folders of the API's definitions
 */

/** Reads a configuration; its paths are relative to it. @param {string} file @returns {Config} */
export function readConfig(file) {
  const config = JSON.parse(fs.readFileSync(file, 'utf8'));
  for (const key of ['network', 'certificate', 'key', 'ca', 'nodes']) {
    if (!config[key]?.length) throw new Error(`${file}: no ${key}`);
  }
  const here = (name) => path.resolve(path.dirname(file), name);
  const lists = path.join(path.dirname(here(config.ca)), 'crl.pem');
  return {
    ...config,
    certificate: here(config.certificate),
    key: here(config.key),
    ca: here(config.ca),
    crl: config.crl ? here(config.crl) : fs.existsSync(lists) ? lists : undefined,
    protos: config.protos?.map(here),
  };
}

/** A UUID version 7: the name under which a write has its one effect. */
export function newRequestId() {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** An error that the network answered, or that no node of it could be reached. */
export class ExchangeError extends Error {
  /** The name of the gRPC code, such as NOT_FOUND. */
  code;
  /** ErrorInfo's reason, such as RECORD_NOT_FOUND; empty when gRPC itself failed. */
  reason = '';
  /** @type {{field: string, description: string}[]} what BadRequest says of fields */
  violations = [];
  /** When the same call may be made again, by RetryInfo. */
  retryAfterMs = 0;

  /** @param {import('@grpc/grpc-js').ServiceError} error @param {object} types the loaded definitions */
  constructor(error, types) {
    super(error.details, { cause: error });
    this.code = grpc.status[error.code];
    const [bytes] = error.metadata?.get('grpc-status-details-bin') ?? [];
    if (!bytes) return;
    for (const { type_url: typeUrl, value } of types['google.rpc.Status'].deserialize(bytes).details ?? []) {
      const type = typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
      if (!types[type]) continue;
      const detail = types[type].deserialize(value);
      if (type === 'google.rpc.ErrorInfo') this.reason = detail.reason;
      if (type === 'google.rpc.BadRequest') this.violations = detail.fieldViolations ?? [];
      if (type === 'google.rpc.RetryInfo') {
        this.retryAfterMs = Number(detail.retryDelay?.seconds ?? 0) * 1e3 + (detail.retryDelay?.nanos ?? 0) / 1e6;
      }
    }
  }

  /** The node may answer later, and another now. */
  get away() {
    return (this.code === 'UNAVAILABLE' || this.code === 'DEADLINE_EXCEEDED') && !this.#notYetProven;
  }
  get mayBeRetried() {
    return this.away || this.#notYetProven || (this.code === 'RESOURCE_EXHAUSTED' && this.retryAfterMs > 0);
  }
  // The proof is this node's to give, in a moment.
  get #notYetProven() {
    return this.reason === 'NOT_YET_PROVEN';
  }
  /** For people: the code, the reason, what is wrong and with which field. */
  toString() {
    const fields = this.violations.map(({ field, description }) => `\n  ${field}: ${description}`);
    return `${this.code}${this.reason && ` (${this.reason})`}: ${this.message}${fields.join('')}`;
  }
}

// Half of a bound that doubles, and a random part of the other half.
function pauseMs(failures) {
  const bound = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** failures);
  return (bound * (1 + Math.random())) / 2;
}

// The bytes behind their length, a varint.
function sized(bytes) {
  const length = [];
  let size = bytes.length;
  for (; size >= 0x80; size >>>= 7) length.push((size & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([...length, size]), bytes]);
}

function hashLines(hashes = []) {
  return hashes.map((hash) => `${hash.toString('base64')}\n`).join('');
}

function receiptText({ logEntry: { header, payload, hasPayload }, sequence = '0', auditPath, checkpoint }) {
  const extra = Buffer.concat([Buffer.of(1), sized(header), ...(hasPayload ? [Buffer.of(1), sized(payload)] : [Buffer.of(0)])]);
  const head = `c2sp.org/tlog-proof@v1\nextra ${extra.toString('base64')}\nindex ${sequence}\n`;
  return `${head}${hashLines(auditPath)}\n${checkpoint.note}`;
}

// The log and the size of the checkpoint in a receipt as `receiptText` writes it.
function checkpointIn(receipt) {
  const [, log, size] = /^c2sp\.org\/tlog-proof@v1\n(?:.+\n)*\n[^/\n]+\/(.+)\n([0-9]+)\n/.exec(receipt) ?? [];
  if (!log) throw new Error('receipt: must be a C2SP tlog-proof, with the checkpoint of its log');
  return { log, size };
}

export class Exchange {
  #types;
  #nodes;

  /** Connects at the first call. @param {Config} config */
  constructor(config) {
    this.#types = protoLoader.loadSync(['fairlead/v1/exchange_service.proto', 'google/rpc/status.proto', 'google/rpc/error_details.proto'], {
      includeDirs: config.protos ?? PROTOS,
      enums: String,
      longs: String,
      arrays: false,
    });
    const Stub = grpc.makeGenericClientConstructor(this.#types['fairlead.v1.ExchangeService'], 'ExchangeService');
    const context = tls.createSecureContext({
      minVersion: 'TLSv1.3',
      ca: fs.readFileSync(config.ca),
      cert: fs.readFileSync(config.certificate),
      key: fs.readFileSync(config.key),
      crl: config.crl && fs.readFileSync(config.crl),
    });
    this.#nodes = config.nodes.map(({ site, address }) => ({
      avoidUntil: 0,
      stub: new Stub(address, grpc.credentials.createFromSecureContext(context), {
        // The address only says where to connect: whoever answers must hold the certificate of this site's node.
        'grpc.ssl_target_name_override': `${site}.node.${config.network}`,
        'grpc.initial_reconnect_backoff_ms': PAUSE_MS_MIN,
        'grpc.max_reconnect_backoff_ms': PAUSE_MS_MAX,
        'grpc.keepalive_time_ms': 30_000,
        'grpc.keepalive_timeout_ms': 10_000,
        'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      }),
    }));
  }

  close() {
    for (const { stub } of this.#nodes) stub.close();
  }

  /** All that is released to the nation, fetched page by page. */
  records(pageSize = PAGE_SIZE) {
    return this.#pages('ListReleasedRecords', 'records', { pageSize });
  }
  /** What was recalled. */
  withdrawals(pageSize = PAGE_SIZE) {
    return this.#pages('ListWithdrawals', 'withdrawals', { pageSize });
  }
  /** What the nation has proposed, each with its outcome. */
  suggestions(pageSize = PAGE_SIZE) {
    return this.#pages('ListSuggestions', 'suggestions', { pageSize });
  }
  /** What the site received of the nation and sent it, all of it or what is about `record`. */
  receipts(record = '', pageSize = PAGE_SIZE) {
    return this.#pages('ListExchangeReceipts', 'receipts', { record, pageSize });
  }
  /** @param {string} name releasedRecords/ID */
  record(name) {
    return this.#call('GetReleasedRecord', { name });
  }
  /** @param {string} name suggestions/ID */
  suggestion(name) {
    return this.#call('GetSuggestion', { name });
  }
  /** @param {string} name questions/ID */
  question(name) {
    return this.#call('GetQuestion', { name });
  }
  /**
   * A receipt as a file for `fairlead verify receipt`: C2SP's tlog-proof, with the bytes that were submitted, or the digest of what was sent.
   * @param {string} name exchangeReceipts/ID
   */
  async receipt(name) {
    return receiptText(await this.#call('GetExchangeReceipt', { name }));
  }
  /** Proof that the log of a saved receipt has only grown since, for `fairlead verify consistency`. @param {string} receipt its text */
  async consistency(receipt) {
    const { log, size } = checkpointIn(receipt);
    const { hashes, checkpoint } = await this.#call('GetExchangeConsistencyProof', { log, oldSize: size });
    return `old ${size}\n${hashLines(hashes)}\n${checkpoint.note}`;
  }
  /** Says that the nation holds what was recalled no more. @param {string} name withdrawals/ID */
  acknowledge(name, remark = '', requestId = newRequestId()) {
    return this.#call('AcknowledgeWithdrawal', { name, remark, requestId });
  }
  /** Proposes to the region. To try again after a crash, present the same request id. */
  submit(suggestion, requestId = newRequestId()) {
    return this.#call('SubmitSuggestion', { suggestion, requestId });
  }
  /** Asks the help desk. */
  ask(question, requestId = newRequestId()) {
    return this.#call('AskQuestion', { question, requestId });
  }

  /**
   * Each change of what is released, without end, over the loss of connections and nodes. Keep the `resumeToken` of a `complete` response
   * once all before it is stored, and begin with it the next time. After a `reset` all that is released follows: withdraw the rest.
   */
  async *watch(resumeToken = '') {
    for (let failures = 0; ; failures++) {
      const node = this.#next();
      const call = node.stub.WatchReleasedRecords({ resumeToken });
      call.on('error', () => {}); // the loop hears of it
      let silent = false;
      const alarm = setTimeout(() => {
        silent = true;
        call.cancel();
      }, SILENCE_MS);
      let pause = 0;
      try {
        for await (const response of call) {
          failures = 0;
          alarm.refresh();
          if (response.complete) resumeToken = response.resumeToken;
          if (Object.keys(response).length > 0) yield response; // what is empty is a heartbeat
        }
      } catch (cause) {
        const error = new ExchangeError(cause, this.#types);
        if (error.violations.some(({ field }) => field === 'resume_token') && resumeToken) {
          resumeToken = ''; // of another time: all of it, then
        } else if (!silent && !error.mayBeRetried) {
          throw error;
        }
        if (error.away || silent) node.avoidUntil = Date.now() + AVOID_MS;
        pause = error.retryAfterMs;
      } finally {
        clearTimeout(alarm);
        call.cancel();
      }
      await sleep(Math.max(pause, pauseMs(failures)));
    }
  }

  // The first of the nodes that was not away lately; else the one that was so longest ago.
  #next() {
    const now = Date.now();
    return this.#nodes.find((node) => node.avoidUntil <= now) ?? this.#nodes.reduce((a, b) => (b.avoidUntil < a.avoidUntil ? b : a));
  }

  async #call(method, request) {
    const deadline = Date.now() + CALL_MS;
    for (let failures = 0; ; failures++) {
      const node = this.#next();
      try {
        return await new Promise((resolve, reject) => {
          const options = { deadline: Math.min(deadline, Date.now() + ATTEMPT_MS) };
          node.stub[method](request, options, (error, response) => (error ? reject(error) : resolve(response)));
        });
      } catch (cause) {
        const error = new ExchangeError(cause, this.#types);
        if (!error.mayBeRetried) throw error;
        if (error.away) node.avoidUntil = Date.now() + AVOID_MS;
        const another = error.away && this.#next().avoidUntil <= Date.now();
        const pause = another ? 0 : Math.max(error.retryAfterMs, pauseMs(failures));
        if (Date.now() + pause >= deadline) throw error;
        await sleep(pause);
      }
    }
  }

  async *#pages(method, field, request) {
    for (let pageToken = ''; ; ) {
      const page = await this.#call(method, { ...request, pageToken });
      yield* page[field] ?? [];
      pageToken = page.nextPageToken;
      if (!pageToken) return;
    }
  }
}

/** A message in protobuf's canonical JSON: of what this API sends, only times need another form. */
export function toJson(message) {
  if (Array.isArray(message)) return message.map(toJson);
  if (message === null || typeof message !== 'object') return message;
  if ('seconds' in message) {
    const digits = String(message.nanos ?? 0).padStart(9, '0').replace(/(?:000)+$/, '');
    return `${new Date(Number(message.seconds) * 1000).toISOString().slice(0, 19)}${digits && `.${digits}`}Z`;
  }
  return Object.fromEntries(Object.entries(message).map(([key, value]) => [key, toJson(value)]));
}
