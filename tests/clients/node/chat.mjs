// Drives the official OpenAI SDK: `chat.mjs <scenario> <json arguments>` prints what the SDK saw, as JSON.
// The endpoint and the key come from OPENAI_BASE_URL and OPENAI_API_KEY, as for any program that uses the SDK.
import OpenAI from "openai";

const messages = [{ role: "user", content: "Say hello" }];
const request = (extra) => ({ messages, max_tokens: 50, ...extra });

const scenarios = {
  async chat(client, extra) {
    const { data, response, request_id } = await client.chat.completions.create(request(extra)).withResponse();
    return {
      text: data.choices[0].message.content,
      prompt_tokens: data.usage.prompt_tokens,
      completion_tokens: data.usage.completion_tokens,
      request_id,
      cost_eur: response.headers.get("x-cost-eur"),
    };
  },

  async stream(client, extra) {
    let [text, usage, chunks] = ["", null, 0];
    const { extra_headers: headers, ...asked } = extra;
    for await (const chunk of await client.chat.completions.create({ stream: true, ...request(asked) }, { headers })) {
      chunks += 1;
      text += chunk.choices[0]?.delta?.content ?? "";
      if (chunk.usage) {
        usage = { completion_tokens: chunk.usage.completion_tokens, cost_eur: chunk.usage.cost_eur ?? null };
      }
    }
    return { text, usage, chunks };
  },

  async models(client) {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return { ids };
  },

  async model(client, { model }) {
    return { id: (await client.models.retrieve(model)).id };
  },

  // The class and fields of the error that a chat request raises.
  async error(client, extra) {
    try {
      await client.chat.completions.create(request(extra));
    } catch (raised) {
      if (!(raised instanceof OpenAI.APIError)) throw raised;
      const { status, code, param, requestID } = raised;
      return { class: raised.constructor.name, status, code, param, request_id: requestID };
    }
    return { class: null };
  },
};

const [scenario, extra] = process.argv.slice(2);
// Retries would hide an error behind a second answer.
const client = new OpenAI({ maxRetries: 0 });
console.log(JSON.stringify(await scenarios[scenario](client, JSON.parse(extra))));
