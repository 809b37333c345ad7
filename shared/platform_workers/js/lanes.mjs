// Commands for one object that meet in this isolate share a call: while one is under way, the others wait
// and then go together. A quiet object's command never waits; a busy one's cost a fraction of a call.
//
// Every request of the runtime may only do I/O of its own. So no request sends for others that it does not
// wait with: when a call is back, the lane is handed to the first that waits, and that one sends for all.

/** Commands that share a call at most. */
const COMMANDS_MAX = 64;
/** A lane whose leader was lost, because its request was ended from outside, is replaced after this. */
const LEADER_LOST_MS = 15_000;

/** name → { waiting, leadsSince } */
const lanes = new Map();

const LEAD = Symbol("lead");

/**
 * @param send runs a list of commands in the object and resolves to the list of its replies
 * @param bounded limits how long this command waits for a call that another sends
 */
export function runInLane(name, command, send, bounded) {
  const lane = laneOf(name);
  const call = { command, resolve: undefined, given_up: false };
  if (lane.leadsSince === undefined) {
    lane.waiting.unshift(call);
    return lead(name, lane, send);
  }
  const answer = new Promise((resolve) => (call.resolve = resolve));
  lane.waiting.push(call);
  return follow(name, lane, call, send, bounded(answer));
}

/** Awaits: what is chained by `then` to a promise that another request resolves goes on as if it were that request, once
 *  the engine has compiled it for speed, and may then do no I/O (tests/busy_account.rs). */
async function follow(name, lane, call, send, answer) {
  let outcome;
  try {
    outcome = await answer;
  } catch (error) {
    call.given_up = true;
    throw error;
  }
  if (outcome === LEAD) return lead(name, lane, send);
  if (outcome.error !== undefined) throw outcome.error;
  return outcome.reply;
}

function laneOf(name) {
  let lane = lanes.get(name);
  if (lane === undefined || Date.now() - lane.leadsSince > LEADER_LOST_MS) {
    lane = { waiting: [], leadsSince: undefined };
    lanes.set(name, lane);
  }
  return lane;
}

/** Sends all that wait; the first of them is the caller's own. */
function lead(name, lane, send) {
  lane.leadsSince = Date.now();
  const [own, ...others] = lane.waiting.splice(0, COMMANDS_MAX);
  return send([own, ...others].map(({ command }) => command)).then(
    (replies) => {
      others.forEach((call, at) => call.resolve({ reply: replies[at + 1] }));
      handOver(name, lane);
      return replies[0];
    },
    (error) => {
      others.forEach((call) => call.resolve({ error }));
      handOver(name, lane);
      throw error;
    },
  );
}

function handOver(name, lane) {
  lane.waiting = lane.waiting.filter((call) => !call.given_up);
  const [next] = lane.waiting;
  if (next !== undefined) {
    next.resolve(LEAD);
  } else if (lanes.get(name) === lane) {
    lanes.delete(name);
  }
}
