// Fault points and a clock for tests, behind the binding TEST_HOOKS that no shipped configuration has.
import { clock } from "./host.mjs";

/** What this isolate has done that is billed: rows written by its objects, alarms included, and calls to them; rows
 *  written in the database, index entries included. */
export const counts = { areWanted: false, rows_written: 0, object_calls: 0, database_rows_written: 0 };

const faults = new Map();

/** What the object of this name shall do instead of its work: "hang", "fail" or "panic". */
export function faultOf(name) {
  return faults.get(name);
}

/** Answers requests under /__test/, undefined for others. */
export function testHook(request) {
  counts.areWanted = true;
  const { pathname, searchParams } = new URL(request.url);
  switch (pathname) {
    case "/__test/clock":
      clock.offset = Number(searchParams.get("offset_ms"));
      return Response.json({ offset_ms: clock.offset });
    case "/__test/fault":
      if (searchParams.has("fault")) faults.set(searchParams.get("account"), searchParams.get("fault"));
      else faults.delete(searchParams.get("account"));
      return Response.json({});
    case "/__test/rows":
      return Response.json(counts);
    default:
      return undefined;
  }
}
