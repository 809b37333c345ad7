// Brings the local D1 database up to date: migrations in order, then seed rows.
import fs from "node:fs";
import path from "node:path";

/** The table that `wrangler d1 migrations` keeps, so that both tools agree about what has been applied. */
const MIGRATIONS_TABLE = `CREATE TABLE IF NOT EXISTS d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

/** Applies what is missing, each file together with its record or not at all. @returns the names applied now. */
export async function migrate(db, folder) {
  await db.prepare(MIGRATIONS_TABLE).run();
  const { results } = await db.prepare("SELECT name FROM d1_migrations").all();
  const applied = new Set(results.map((row) => row.name));
  const pending = fs
    .readdirSync(folder)
    .filter((name) => name.endsWith(".sql") && !applied.has(name))
    .sort();
  for (const name of pending) {
    // D1 refuses a text that ends in a comment, so it ends in a statement that does nothing.
    const sql = `${fs.readFileSync(path.join(folder, name), "utf8")}\nSELECT 1;`;
    try {
      await db.batch([db.prepare(sql), db.prepare("INSERT INTO d1_migrations (name) VALUES (?1)").bind(name)]);
    } catch (error) {
      throw new Error(`migration ${name}: ${error.message}`);
    }
  }
  return pending;
}

/** Executes the statements in order, all or none. They must be safe to repeat: every start runs them. */
export async function seed(db, statements) {
  if (statements.length === 0) return;
  await db.batch(statements.map(({ sql, params }) => db.prepare(sql).bind(...params)));
}
