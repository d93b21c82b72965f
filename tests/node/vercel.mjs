// The AI SDK, over the APIs of three providers: only their base URLs and keys are set.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { embed, generateText, jsonSchema, streamText, tool } from "ai";
import { PIXEL, WEATHER, asked, tell } from "./told.mjs";

const openai = createOpenAI({ baseURL: `${asked.url}/v1`, apiKey: asked.key });
const anthropic = createAnthropic({ baseURL: `${asked.url}/v1`, apiKey: asked.key });
const google = createGoogleGenerativeAI({ baseURL: `${asked.url}/v1beta`, apiKey: asked.key });

const models = {
  chat: openai.chat("gpt-5-mini"),
  responses: openai.responses("gpt-5-mini"),
  anthropic: anthropic("claude-sonnet-5"),
  google: google("gemini-2.5-flash"),
};
const prompt = asked.text ?? "Say something.";
const tools = { weather: tool({ description: "Of a city.", inputSchema: jsonSchema(WEATHER) }) };
const content = [
  { type: "text", text: "What is it?" },
  { type: "image", image: PIXEL, mediaType: "image/png" },
];

const cases = {};
for (const [name, model] of Object.entries(models)) {
  const usual = { model, maxOutputTokens: 200 };
  cases[`ai.${name}`] = async (headers) => {
    const { text, usage, finishReason } = await generateText({ ...usual, prompt, headers });
    return { text, usage, finishReason };
  };
  cases[`ai.${name}.stream`] = async (headers) => {
    let failure;
    const stream = streamText({ ...usual, prompt, headers, onError: ({ error }) => (failure = error) });
    const pieces = await Array.fromAsync(stream.textStream);
    if (failure) throw failure;
    return { pieces, usage: await stream.usage };
  };
  cases[`ai.${name}.tools`] = async (headers) => {
    const { toolCalls } = await generateText({ ...usual, prompt, tools, headers });
    return toolCalls.map(({ toolName, input }) => ({ toolName, input }));
  };
  cases[`ai.${name}.image`] = async (headers) =>
    (await generateText({ ...usual, messages: [{ role: "user", content }], headers })).text;
}
cases["ai.embed"] = async (headers) =>
  (await embed({ model: openai.embedding("text-embedding-3-small"), value: "one", headers })).usage;
await tell(cases);
