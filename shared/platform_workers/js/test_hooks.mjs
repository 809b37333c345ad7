// Fault points and a clock for tests, behind the binding TEST_HOOKS that no shipped configuration has.
import { clock } from "./host.mjs";

/** Rows that this isolate's objects wrote, alarms included. */
export const rowsWritten = {
  count: 0,
  add(rows) {
    this.count += rows;
  },
};

const faults = new Map();

/** What the object of this name shall do instead of its work: "hang", "fail" or "panic". */
export function faultOf(name) {
  return faults.get(name);
}

/** Answers requests under /__test/, undefined for others. */
export function testHook(request) {
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
      return Response.json({ rows_written: rowsWritten.count });
    default:
      return undefined;
  }
}
