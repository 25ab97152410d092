/**
 * A stand-in for the gateway while the dashboard is worked on: the native API's shapes and a streamed chat answer.
 *
 *     node dev/mock-server.mjs [--port 8484] [--scenario rich|local|loading|auth] [--pace 24]
 *
 * A prompt that holds one of these words gets that ending: `error`, `cut`, `midway`, `slow`.
 */
import { createServer } from "node:http";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    port: { type: "string", default: "8484" },
    scenario: { type: "string", default: "rich" },
    pace: { type: "string", default: "24" },
  },
});
const KEY = "narthex-development-key";
const started = Date.now();
const requests = { active: 0, total: 1284, failed: 3 };
const tokens = { input: 412_930, output: 198_204 };
let loadedAt = options.scenario === "loading" ? Number.POSITIVE_INFINITY : 0;

const health = (status, detail = null) => ({ status, detail, checked_at: Math.floor(Date.now() / 1000) });

function model(provider, id, capabilities, context, output, more = {}) {
  return {
    name: `${provider}/${id}`,
    id,
    provider,
    capabilities,
    context_tokens: context,
    max_output_tokens: output,
    dimensions: null,
    aliases: [],
    description: null,
    health: health("ok"),
    ...more,
  };
}

function models() {
  const local = [
    model("local", "smollm2", ["chat", "tools", "json_schema"], 4096, 4096, {
      description: "SmolLM2 135M Instruct, inside this server.",
      health: health(isLoaded() ? "ok" : "idle"),
    }),
    model("local", "minilm", ["embeddings"], 512, null, {
      dimensions: 384,
      description: "all-MiniLM-L6-v2, inside this server.",
      health: health("idle"),
    }),
  ];
  if (options.scenario === "local" || options.scenario === "loading") return local;
  return [
    ...local,
    model("openai", "gpt-5.2", ["chat", "tools", "json_schema", "vision", "reasoning"], 400_000, 128_000, {
      aliases: ["best"],
    }),
    model("openai", "gpt-5.2-mini", ["chat", "tools", "json_schema", "vision"], 400_000, 128_000, {
      aliases: ["fast"],
    }),
    model("openai", "text-embedding-3-small", ["embeddings"], 8191, null, { dimensions: 1536 }),
    model("anthropic", "claude-opus-4-5", ["chat", "tools", "vision", "reasoning", "files"], 200_000, 64_000),
    model("anthropic", "claude-haiku-4-5", ["chat", "tools", "vision"], 200_000, 64_000),
    model("groq", "llama-3.3-70b-versatile", ["chat", "tools"], 131_072, 32_768, { health: health("down") }),
    model("ollama", "qwen3:8b", ["chat", "tools"], 40_960, null),
  ];
}

function providers() {
  const local = {
    name: "local",
    kind: "embedded",
    base_url: null,
    models: 2,
    health: isLoaded()
      ? health("ok", "Loaded; unloads after 5 min without use.")
      : health("idle", "Loads at the first call."),
  };
  if (options.scenario === "local" || options.scenario === "loading") return [local];
  return [
    local,
    { name: "openai", kind: "openai", base_url: "https://api.openai.com/v1", models: 3, health: health("ok") },
    { name: "anthropic", kind: "anthropic", base_url: "https://api.anthropic.com", models: 2, health: health("ok") },
    {
      name: "groq",
      kind: "openai",
      base_url: "https://api.groq.com/openai/v1",
      models: 1,
      health: health("down", "It refused the key: set `GROQ_API_KEY` to a valid one and restart."),
    },
    {
      name: "ollama",
      kind: "openai",
      base_url: "http://127.0.0.1:11434/v1",
      models: 1,
      health: health("degraded", "Slow to answer: 4.1 s for its model list."),
    },
  ];
}

const isLoaded = () => Date.now() >= loadedAt;
const LOADING_MS = 3_000;

function loadProgress() {
  if (isLoaded()) return null;
  return Number.isFinite(loadedAt) ? Math.min(1, 1 - (loadedAt - Date.now()) / LOADING_MS) : 0;
}

function status() {
  const drift = Math.sin(Date.now() / 20_000) * 2_000_000;
  return {
    object: "system.status",
    version: "0.1.0",
    status: options.scenario === "rich" ? "degraded" : "ok",
    started_at: Math.floor(started / 1000) - 11_340,
    uptime_s: (Date.now() - started) / 1000 + 11_340,
    pid: process.pid,
    python: "3.11.7",
    platform: "Linux x86_64",
    address: `http://127.0.0.1:${options.port}`,
    auth_required: options.scenario === "auth",
    default_model: "local/smollm2",
    data_dir: "~/.local/share/narthex",
    memory_bytes: Math.round((isLoaded() ? 312_400_000 : 71_200_000) + drift),
    requests,
    tokens,
    providers: providers(),
    embedded: { installed: true, loaded: isLoaded(), model: "smollm2", progress: loadProgress(), detail: null },
  };
}

const ANSWER = `An arch turns weight into **thrust**. Each stone is a wedge, so the load above presses the stones together instead of pulling them apart, and what leaves the arch is a push along its curve into the ground.

Three things follow from that:

1. **It spans more than a beam.** Stone is strong when pressed and weak when pulled; a beam is pulled along its lower edge, an arch hardly at all.
2. **It needs abutments.** The sideways push has to go somewhere: a thick wall, a buttress, or the next arch in the row.
3. **It stands only when it is whole.** Until the keystone is set, a wooden frame carries everything.

The thrust of a shallow arch is easy to estimate:

\`\`\`python
def thrust(load: float, span: float, rise: float) -> float:
    """Horizontal push of a uniformly loaded parabolic arch, in newtons."""
    return load * span**2 / (8 * rise)  # flatter means stronger push

print(thrust(load=12_000, span=6.0, rise=2.0))
\`\`\`

Halve the rise and the push doubles, which is why flat arches ask for \`heavy\` walls.
`;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const json = (response, code, body, headers = {}) => {
  response.writeHead(code, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
};

function failure(response, code, error, id) {
  json(
    response,
    code,
    { error: { param: null, type: "server_error", request_id: id, ...error } },
    { "x-request-id": id },
  );
}

async function bodyOf(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return JSON.parse(text);
}

async function chat(request, response) {
  const id = `req_${Math.random().toString(36).slice(2, 14)}`;
  const asked = await bodyOf(request);
  const prompt = asked.messages.at(-1)?.content ?? "";
  requests.total += 1;
  if (/\berror\b/.test(prompt)) {
    requests.failed += 1;
    return failure(
      response,
      502,
      {
        message: "openai refused the key that this server holds for it.",
        code: "provider_authentication",
        type: "provider_error",
      },
      id,
    );
  }
  requests.active += 1;
  response.on("close", () => {
    requests.active -= 1;
  });
  if (!isLoaded()) {
    loadedAt = Math.min(loadedAt, Date.now() + LOADING_MS);
    await pause(loadedAt - Date.now());
  }
  await pause(/\bslow\b/.test(prompt) ? 4_000 : 180);
  response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": id, "x-narthex-model": asked.model });
  await stream(response, asked, prompt, id);
}

async function stream(response, asked, prompt, id) {
  const frame = (value) =>
    response.write(
      `data: ${JSON.stringify({ id, object: "chat.completion.chunk", model: asked.model, ...value })}\n\n`,
    );
  const text = asked.response_format ? '{"name": "Hagia Sophia", "year": 537}' : ANSWER;
  const pieces = text.match(/\s*\S+|\s+$/g) ?? [];
  for (const [index, content] of pieces.entries()) {
    if (response.destroyed) return;
    frame({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
    if (index > 30 && /\bcut\b/.test(prompt)) return response.destroy();
    if (index > 30 && /\bmidway\b/.test(prompt)) {
      frame({
        error: {
          message: "The provider did not answer in time.",
          code: "provider_timeout",
          type: "timeout_error",
          request_id: id,
        },
      });
      return response.end();
    }
    await pause(Number(options.pace));
  }
  frame({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
  const usage = { prompt_tokens: 18 + prompt.length, completion_tokens: Math.round(pieces.length * 1.3) };
  tokens.input += usage.prompt_tokens;
  tokens.output += usage.completion_tokens;
  frame({ choices: [], usage });
  response.end("data: [DONE]\n\n");
}

function isAllowed({ headers }) {
  return options.scenario !== "auth" || headers.authorization === `Bearer ${KEY}`;
}

createServer((request, response) => {
  const path = new URL(request.url, "http://localhost").pathname;
  if (path === "/health") return json(response, 200, { status: "ok", version: "0.1.0" });
  if (!isAllowed(request)) {
    return failure(
      response,
      401,
      {
        message: "No valid API key: send one as `Authorization: Bearer …` or `x-api-key`.",
        code: "invalid_api_key",
        type: "authentication_error",
      },
      "req_401",
    );
  }
  if (path === "/api/models") return json(response, 200, { object: "list", data: models() });
  if (path === "/api/system/status") return json(response, 200, status());
  if (path === "/v1/chat/completions" && request.method === "POST") {
    return void chat(request, response).catch((error) =>
      failure(response, 400, { message: String(error), code: "invalid_request" }, "req_400"),
    );
  }
  return failure(
    response,
    404,
    { message: `There is no route ${path}; /docs lists those there are.`, code: "route_not_found" },
    "req_404",
  );
}).listen(Number(options.port), "127.0.0.1", () => {
  console.log(`mock gateway, ${options.scenario}: http://127.0.0.1:${options.port} (key, where one is wanted: ${KEY})`);
});
