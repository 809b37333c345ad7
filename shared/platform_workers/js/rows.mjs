// The rows of one object: its parts, its outbox and its alarm. The state machine's host in wasm
// (src/state_durable_object.rs) calls these.
import { clock } from "./host.mjs";
import { counts } from "./test_hooks.mjs";

/** Parts of kinds from here on are not kept in memory: read when named, dropped when due. */
const FIRST_KIND_NOT_RESIDENT = new Uint8Array([128]);

// The head has a table with row ids, where a row may fill a page; in the parts' it would spill at a quarter.
const PUT_HEAD = "INSERT INTO head (id, value) VALUES (0, ?1) ON CONFLICT (id) DO UPDATE SET value = ?1";
const PUT = "INSERT INTO parts (key, due, value) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE SET due = ?2, value = ?3";

export class Rows {
  #context;
  #sql;
  /** A name that was never configured stores nothing, not even tables. */
  #created;
  #armed;
  #nextDrop = 0;

  constructor(context) {
    this.#context = context;
    this.#sql = context.storage.sql;
    this.#created = [...this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'outbox'").raw()].length > 0;
    context.blockConcurrencyWhile(async () => {
      this.#armed = (await context.storage.getAlarm()) ?? undefined;
    });
  }

  /** The object's name. Alarms do not carry it, so it is kept. */
  name() {
    return this.#context.id.name ?? this.#one("SELECT name FROM name");
  }

  head() {
    return this.#bytes("SELECT value FROM head");
  }

  part(key) {
    return this.#bytes("SELECT value FROM parts WHERE key = ?1", key);
  }

  #bytes(sql, ...parameters) {
    const value = this.#one(sql, ...parameters);
    return value && new Uint8Array(value);
  }

  #one(sql, ...parameters) {
    if (!this.#created) return undefined;
    const { value: row } = this.#sql.exec(sql, ...parameters).raw().next();
    return row?.[0];
  }

  /** All parts that are kept in memory, as keys and values in turn. */
  residentParts() {
    if (!this.#created) return [];
    const cursor = this.#sql.exec("SELECT key, value FROM parts WHERE key < ?1", FIRST_KIND_NOT_RESIDENT);
    return [...cursor.raw()].flat().map((bytes) => new Uint8Array(bytes));
  }

  /** The oldest rows of events. */
  events(limit) {
    if (!this.#created) return [];
    const cursor = this.#sql.exec("SELECT value FROM outbox ORDER BY through LIMIT ?1", limit);
    return [...cursor.raw()].map(([value]) => new Uint8Array(value));
  }

  /** One row is atomic by itself, and most steps write no other. */
  putHead(value) {
    this.#exec(PUT_HEAD, value);
  }

  /** All or none: an exception between two plain statements would keep the first. Each write is
   *  [operation, key or number, due, value]. */
  write(writes) {
    this.#context.storage.transactionSync(() => {
      for (const [operation, key, due, value] of writes) this.#writeOne(operation, key, due, value);
    });
  }

  #writeOne(operation, key, due, value) {
    switch (operation) {
      case "head":
        return this.putHead(value);
      case "put":
        return this.#exec(PUT, key, due, value);
      case "delete":
        return this.#exec("DELETE FROM parts WHERE key = ?1", key);
      case "put events":
        return this.#exec("INSERT INTO outbox (through, value) VALUES (?1, ?2)", key, value);
      case "delete events":
        return this.#exec("DELETE FROM outbox WHERE through <= ?1", key);
      default:
        throw new Error(`no such write: ${operation}`);
    }
  }

  /** Before the first write: the tables, and the name. */
  create() {
    if (this.#created) return;
    this.#exec("CREATE TABLE parts (key BLOB PRIMARY KEY, due INTEGER, value BLOB NOT NULL) WITHOUT ROWID");
    this.#exec("CREATE TABLE outbox (through INTEGER PRIMARY KEY, value BLOB NOT NULL)");
    this.#exec("CREATE TABLE head (id INTEGER PRIMARY KEY, value BLOB NOT NULL)");
    this.#exec("CREATE TABLE name (name TEXT NOT NULL)");
    this.#exec("INSERT INTO name (name) VALUES (?1)", this.#context.id.name);
    this.#created = true;
  }

  /** Once a day, since it reads them all. */
  dropDue(now) {
    if (!this.#created || now < this.#nextDrop) return;
    this.#nextDrop = now + 24 * 60 * 60 * 1000;
    this.#exec("DELETE FROM parts WHERE key >= ?1 AND due <= ?2", FIRST_KIND_NOT_RESIDENT, now);
  }

  #exec(sql, ...parameters) {
    const cursor = this.#sql.exec(sql, ...parameters);
    if (counts.areWanted) counts.rows_written += cursor.rowsWritten;
    return cursor;
  }

  /** The alarm rang: none is set. */
  rang() {
    this.#armed = undefined;
  }

  /** The alarm rings at the earliest time asked for. Setting it costs a row, so a later time is not
   *  written: the alarm finds nothing to do and sets itself again. */
  arm(at) {
    if (this.#armed !== undefined && this.#armed <= at) return;
    this.#armed = at;
    this.#context.storage.setAlarm(at - clock.offset);
    if (counts.areWanted) counts.rows_written += 1;
  }
}
