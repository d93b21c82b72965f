// The providers' own SDKs: only their base URL and key are set.

import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { PIXEL, WEATHER, all, asked, tell } from "./told.mjs";

const openai = new OpenAI({ baseURL: `${asked.url}/v1`, apiKey: asked.key });
const anthropic = new Anthropic({ baseURL: asked.url, apiKey: asked.key });
const google = new GoogleGenAI({ apiKey: asked.key, httpOptions: { baseUrl: asked.url } });

const user = [{ role: "user", content: asked.text ?? "Say something." }];
const chat = { model: "gpt-5-mini", messages: user, max_completion_tokens: 200 };
const streamed = { stream: true, stream_options: { include_usage: true } };
const functions = [{ type: "function", function: { name: "weather", description: "Of a city.", parameters: WEATHER } }];
const responses = { model: "gpt-5-mini", input: user[0].content, max_output_tokens: 200 };
const tools = [{ type: "function", name: "weather", description: "Of a city.", parameters: WEATHER, strict: true }];
const messages = { model: "claude-sonnet-5", max_tokens: 200, messages: user };
const anthropicTools = [{ name: "weather", description: "Of a city.", input_schema: WEATHER }];
const image = { type: "image", source: { type: "base64", media_type: "image/png", data: PIXEL } };
const gemini = { model: "gemini-2.5-flash", contents: user[0].content };
const declared = [{ functionDeclarations: [{ name: "weather", description: "Of a city.", parametersJsonSchema: WEATHER }] }];

const generate = (headers, more = {}) => ({
  ...gemini,
  ...more,
  config: { maxOutputTokens: 200, ...more.config, httpOptions: { headers } },
});

await tell({
  "openai.chat": (headers) => openai.chat.completions.create(chat, { headers }),
  "openai.chat.bare": (headers) => openai.chat.completions.create({ model: chat.model, messages: user }, { headers }),
  "openai.chat.stream": async (headers) => all(await openai.chat.completions.create({ ...chat, ...streamed }, { headers })),
  "openai.chat.stream.unasked": async (headers) => all(await openai.chat.completions.create({ ...chat, stream: true }, { headers })),
  "openai.chat.tools": (headers) => openai.chat.completions.create({ ...chat, tools: functions }, { headers }),
  "openai.chat.tools.stream": async (headers) =>
    all(await openai.chat.completions.create({ ...chat, ...streamed, tools: functions }, { headers })),
  "openai.chat.image": (headers) => {
    const content = [
      { type: "text", text: "What is it?" },
      { type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } },
    ];
    return openai.chat.completions.create({ ...chat, messages: [{ role: "user", content }] }, { headers });
  },
  "openai.responses": (headers) => openai.responses.create(responses, { headers }),
  "openai.responses.stream": async (headers) => all(await openai.responses.create({ ...responses, stream: true }, { headers })),
  "openai.responses.tools": (headers) => openai.responses.create({ ...responses, tools }, { headers }),
  "openai.embeddings": (headers) => openai.embeddings.create({ model: "text-embedding-3-small", input: "one" }, { headers }),
  "openai.models": async (headers) => (await openai.models.list({ headers })).data,
  "anthropic.messages": (headers) => anthropic.messages.create(messages, { headers }),
  "anthropic.messages.stream": async (headers) => all(await anthropic.messages.create({ ...messages, stream: true }, { headers })),
  "anthropic.messages.helper": (headers) => anthropic.messages.stream(messages, { headers }).finalMessage(),
  "anthropic.messages.tools": (headers) => anthropic.messages.create({ ...messages, tools: anthropicTools }, { headers }),
  "anthropic.messages.tools.stream": (headers) =>
    anthropic.messages.stream({ ...messages, tools: anthropicTools }, { headers }).finalMessage(),
  "anthropic.messages.image": (headers) => {
    const content = [image, { type: "text", text: "What is it?" }];
    return anthropic.messages.create({ ...messages, messages: [{ role: "user", content }] }, { headers });
  },
  "anthropic.count_tokens": (headers) => anthropic.messages.countTokens({ model: messages.model, messages: user }, { headers }),
  "anthropic.models": async (headers) => (await anthropic.models.list({}, { headers })).data,
  "google.generate": async (headers) => (await google.models.generateContent(generate(headers))).text,
  "google.generate.stream": async (headers) => {
    const pieces = await all(await google.models.generateContentStream(generate(headers)));
    return [pieces.map((piece) => piece.text), pieces.at(-1).usageMetadata];
  },
  "google.generate.tools": async (headers) =>
    (await google.models.generateContent(generate(headers, { config: { tools: declared } }))).functionCalls,
  "google.generate.image": async (headers) => {
    const contents = [{ inlineData: { mimeType: "image/png", data: PIXEL } }, { text: "What is it?" }];
    return (await google.models.generateContent(generate(headers, { contents }))).text;
  },
  "google.models": async (headers) => all(await google.models.list({ config: { httpOptions: { headers } } })),
});
