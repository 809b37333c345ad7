// The shared port of the local host: the five functions by path. It wraps the proxy's own entry point inside the
// proxy's own worker, so that model traffic takes no extra hop; the others are reached over service bindings.
// Deployed, each function has its own route instead.
import proxy from "./index.js";

/** Path prefix → service binding. What matches none belongs to the proxy. */
const ROUTES = [
  ["/api/", "LOCAL_BILLING"],
  ["/admin/", "LOCAL_ADMIN_API"],
  ["/webhooks/", "LOCAL_STRIPE_WEBHOOK"],
  ["/__dev/", "LOCAL_DEV"],
];
/** Every function answers GET /health: here as /<name>/health, with these names; the proxy's has none. */
const NAMES = {
  billing: "LOCAL_BILLING",
  admin: "LOCAL_ADMIN_API",
  webhooks: "LOCAL_STRIPE_WEBHOOK",
  cron: "LOCAL_CRON_RESET",
};
const NAMED_HEALTH = /^\/(\w+)\/health$/;
/** Whether the product is seeded and its demo user is there; once it is, nobody need be asked again. */
let open = false;

export default {
  async fetch(request, env, ctx) {
    const path = request.url.slice(request.url.indexOf("/", "http://".length));
    if (path.startsWith("/v1/")) return proxy.fetch(request, env, ctx);
    if (path.startsWith("/__test/") && env.TEST_HOOKS !== undefined) return tellAll(request, env, ctx);
    const name = NAMED_HEALTH.exec(path)?.[1];
    if ((name !== undefined || path === "/health") && !(await isOpen(env))) {
      return Response.json({ status: "starting" }, { status: 503 });
    }
    if (name in NAMES) return env[NAMES[name]].fetch(request);
    const route = ROUTES.find(([prefix]) => path.startsWith(prefix));
    if (route !== undefined && env[route[1]] !== undefined) return env[route[1]].fetch(request);
    return proxy.fetch(request, env, ctx);
  },
};

async function isOpen(env) {
  open ||= (await env.LOCAL_OPEN.fetch("http://node/")).ok;
  return open;
}

/** A test hook (a clock offset, a fault) goes to every function; billing, which hosts the accounts, answers. */
async function tellAll(request, env, ctx) {
  const { [NAMES.billing]: billing, ...others } = Object.fromEntries(
    Object.values(NAMES).map((binding) => [binding, env[binding].fetch(request.clone())]),
  );
  await Promise.all([...Object.values(others), proxy.fetch(request.clone(), env, ctx)]);
  return billing;
}
