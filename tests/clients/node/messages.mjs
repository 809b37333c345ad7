// Drives the official Anthropic SDK: `messages.mjs <scenario> <json arguments>` prints what the SDK saw, as JSON.
// The endpoint and the key come from ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY, as for any program that uses the SDK.
import Anthropic from "@anthropic-ai/sdk";

const messages = [{ role: "user", content: "Say hello" }];
const request = (extra) => ({ messages, max_tokens: 50, ...extra });

const seen = ({ content, stop_reason, usage }) => ({
  blocks: content,
  stop_reason,
  usage: { input: usage.input_tokens, output: usage.output_tokens },
});

const scenarios = {
  async whole(client, extra) {
    return seen(await client.messages.create(request(extra)));
  },

  async stream(client, extra) {
    const kinds = new Set();
    const stream = client.messages.stream(request(extra));
    for await (const event of stream) kinds.add(event.type);
    return { ...seen(await stream.finalMessage()), kinds: [...kinds].sort() };
  },

  async count(client, extra) {
    const { max_tokens, ...asked } = request(extra);
    return { input_tokens: (await client.messages.countTokens(asked)).input_tokens };
  },

  // The class and fields of the error that a request raises.
  async error(client, extra) {
    try {
      await client.messages.create(request(extra));
    } catch (raised) {
      if (!(raised instanceof Anthropic.APIError)) throw raised;
      const { type, code } = raised.error.error;
      return { class: raised.constructor.name, status: raised.status, type, code };
    }
    return { class: null };
  },
};

const [scenario, extra] = process.argv.slice(2);
// Retries would hide an error behind a second answer.
console.log(JSON.stringify(await scenarios[scenario](new Anthropic({ maxRetries: 0 }), JSON.parse(extra))));
