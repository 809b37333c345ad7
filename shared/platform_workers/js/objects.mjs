// The Durable Objects: each hosts one state machine, with rows in its own SQLite, one alarm, and the machine in
// wasm. Rust's side is src/state_durable_object.rs.
import { DurableObject } from "cloudflare:workers";
import * as bindings from "bindings";
import { pendingCalls } from "./host.mjs";
import { Rows } from "./rows.mjs";
import { counts, faultOf } from "./test_hooks.mjs";

class MachineObject extends DurableObject {
  #machine;
  #rows;

  constructor(context, env) {
    super(context, env);
    this.#rows = new Rows(context);
  }

  /** Encoded commands in, their encoded replies out. What it answers is stored. */
  apply(commands) {
    if (counts.areWanted) counts.object_calls += 1;
    const fault = this.env.TEST_HOOKS === undefined ? undefined : faultOf(this.ctx.id.name);
    if (fault === "hang") return new Promise(() => {});
    if (fault === "fail") throw new Error("a fault was asked for");
    return this.#guarded(() => (fault === "panic" ? bindings.panic_for_test() : this.#resident().apply(commands)));
  }

  /** Delivers now what waits. */
  deliver() {
    return this.#guarded(() => pendingCalls.run((call) => this.#resident().deliver(call)));
  }

  /** The platform gives an alarm up after six failures, so this one never fails: it comes back later. */
  async alarm() {
    this.#rows.rang();
    try {
      await this.#guarded(() => pendingCalls.run((call) => this.#resident().wake(call)));
    } catch (error) {
      console.error("an object's alarm failed and is set again", error);
      this.#rows.arm(Date.now() + 30_000);
    }
  }

  #resident() {
    this.#machine ??= this.load(this.#rows);
    return this.#machine;
  }

  /** After an error, memory and rows may differ: the next call starts from the rows. */
  #guarded(call) {
    const failed = (error) => {
      this.#machine = undefined;
      throw error;
    };
    try {
      const answer = call();
      return answer instanceof Promise ? answer.catch(failed) : answer;
    } catch (error) {
      failed(error);
    }
  }
}

export class Account extends MachineObject {
  load(rows) {
    return new bindings.AccountMachine(rows, this.env);
  }
}

export class TenantPool extends MachineObject {
  load(rows) {
    return new bindings.TenantPoolMachine(rows, this.env);
  }
}
