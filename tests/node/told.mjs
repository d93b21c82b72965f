// What a program is asked on stdin, and what went over the wire meanwhile: every call of fetch, byte for byte.

export const asked = JSON.parse(await text(process.stdin));
const wire = globalThis.fetch;
let exchanges = [];

async function text(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  const body = Buffer.from(await request.clone().arrayBuffer());
  const response = await wire(request);
  const exchange = {
    url: request.url,
    sent: body.toString("base64"),
    status: response.status,
    headers: [...response.headers],
  };
  exchanges.push(exchange);
  const [one, other] = response.body ? response.body.tee() : [null, null];
  exchange.body = one ? bytes(one) : Promise.resolve("");
  const copy = new Response(other, { status: response.status, statusText: response.statusText, headers: response.headers });
  Object.defineProperty(copy, "url", { value: response.url });
  return copy;
};

async function bytes(stream) {
  return Buffer.concat(await Array.fromAsync(stream)).toString("base64");
}

// Runs the cases that were asked for, one after the other, and prints what came of each.
export async function tell(cases) {
  const told = {};
  for (const [name, run] of Object.entries(cases)) {
    if (!asked.cases.some((wanted) => name.startsWith(wanted))) continue;
    exchanges = [];
    const found = {};
    try {
      found.result = (await run({ "x-case": name })) ?? null;
    } catch (error) {
      const { status, statusCode, code, message, isRetryable } = error;
      found.error = { kind: error.constructor.name, status: status ?? statusCode, code, message, isRetryable };
    }
    found.exchanges = await Promise.all(exchanges.map(async (one) => ({ ...one, body: await one.body })));
    told[name] = found;
  }
  process.stdout.write(JSON.stringify(told));
}

export async function all(stream) {
  return Array.fromAsync(stream);
}

export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

export const WEATHER = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
