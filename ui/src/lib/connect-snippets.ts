export interface ConnectSnippet {
  value: string;
  name: string;
  title: string;
  language: string;
  code: string;
}

/** The smallest whole programs that reach this server, one for each SDK. */
export function connectSnippets(address: string, model: string, keyed: boolean): ConnectSnippet[] {
  const pythonKey = keyed ? `os.environ["NARTHEX_API_KEY"]` : `"unused"`;
  const pythonImport = keyed ? "import os\n\n" : "";
  const scriptKey = keyed ? "process.env.NARTHEX_API_KEY" : `"unused"`;
  const header = keyed ? `\n  -H "Authorization: Bearer $NARTHEX_API_KEY" \\` : "";
  return [
    {
      value: "openai-python",
      name: "OpenAI, Python",
      title: "pip install openai",
      language: "python",
      code: `${pythonImport}from openai import OpenAI

client = OpenAI(base_url="${address}/v1", api_key=${pythonKey})
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)`,
    },
    {
      value: "openai-javascript",
      name: "OpenAI, JavaScript",
      title: "npm install openai",
      language: "javascript",
      code: `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${address}/v1", apiKey: ${scriptKey} });
const answer = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "Hello" }],
});
console.log(answer.choices[0].message.content);`,
    },
    {
      value: "anthropic-python",
      name: "Anthropic, Python",
      title: "pip install anthropic",
      language: "python",
      code: `${pythonImport}from anthropic import Anthropic

client = Anthropic(base_url="${address}", api_key=${pythonKey})
answer = client.messages.create(
    model="${model}",
    max_tokens=256,
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.content[0].text)`,
    },
    {
      value: "curl",
      name: "curl",
      title: "Shell",
      language: "shell",
      code: `curl ${address}/v1/chat/completions \\${header}
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello"}]}'`,
    },
  ];
}
