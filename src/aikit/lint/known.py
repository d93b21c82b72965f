"""What the rules know by name: SDK clients, HTTP libraries, variables of keys, frameworks."""

from __future__ import annotations

from typing import NamedTuple


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


CLIENTS: dict[str, frozenset[str]] = {
    "openai": _words(
        "OpenAI AsyncOpenAI AzureOpenAI AsyncAzureOpenAI BedrockOpenAI AsyncBedrockOpenAI Client AsyncClient"
    ),
    "anthropic": _words(
        "Anthropic AsyncAnthropic Client AsyncClient AnthropicBedrock AsyncAnthropicBedrock "
        "AnthropicVertex AsyncAnthropicVertex AnthropicBedrockMantle AsyncAnthropicBedrockMantle "
        "AnthropicFoundry AsyncAnthropicFoundry AnthropicAWS AsyncAnthropicAWS"
    ),
    "google.genai": frozenset({"Client"}),
    "google.generativeai": frozenset({"GenerativeModel", "configure"}),
    "vertexai": frozenset({"GenerativeModel", "ChatModel", "TextGenerationModel"}),
    "langfuse.openai": frozenset({"OpenAI", "AsyncOpenAI", "AzureOpenAI", "AsyncAzureOpenAI"}),
    "mistralai": frozenset({"Mistral", "MistralClient"}),
    "groq": frozenset({"Groq", "AsyncGroq"}),
    "cohere": frozenset({"Client", "AsyncClient", "ClientV2", "AsyncClientV2"}),
    "together": frozenset({"Together", "AsyncTogether"}),
    "fireworks.client": frozenset({"Fireworks", "AsyncFireworks"}),
    "xai_sdk": frozenset({"Client", "AsyncClient"}),
}
"""By package, the classes that make a client of its SDK."""

WRAPPABLE = ("openai.", "anthropic.", "google.genai.")
"""The SDKs whose clients `kit.wrap` takes."""

STARS: dict[str, frozenset[str]] = {
    "openai": CLIENTS["openai"],
    "anthropic": CLIENTS["anthropic"],
    "google.genai": CLIENTS["google.genai"],
}
"""What `from … import *` brings, as far as it matters."""

MODULE_CALLS = _words(
    "chat completions responses embeddings images audio moderations files batches fine_tuning beta "
    "realtime uploads vector_stores videos conversations containers evals skills live admin "
    "ChatCompletion Completion Embedding Image Audio Moderation FineTuningJob"
)
"""What of the module `openai` itself calls OpenAI."""
MODULE_SETTINGS = _words(
    "api_key admin_api_key organization project base_url api_base api_type api_version "
    "azure_endpoint azure_ad_token http_client default_headers"
)
"""What of the module `openai` is set for such calls."""

KEYS = _words(
    "OPENAI_API_KEY OPENAI_ADMIN_KEY AZURE_OPENAI_API_KEY AZURE_OPENAI_AD_TOKEN ANTHROPIC_API_KEY "
    "ANTHROPIC_AUTH_TOKEN GEMINI_API_KEY GOOGLE_API_KEY GOOGLE_GENAI_API_KEY MISTRAL_API_KEY "
    "GROQ_API_KEY COHERE_API_KEY CO_API_KEY OPENROUTER_API_KEY DEEPSEEK_API_KEY XAI_API_KEY "
    "TOGETHER_API_KEY FIREWORKS_API_KEY PERPLEXITY_API_KEY VOYAGE_API_KEY AWS_BEARER_TOKEN_BEDROCK"
)
"""Variables that keys of providers are kept in."""

ENVIRONMENT_READERS = frozenset(
    {
        "os.getenv",
        "os.environ.get",
        "os.environ.pop",
        "os.environ.setdefault",
        "os.getenvb",
        "dotenv.get_key",
        "dotenv.dotenv_values().get",
    }
)

VERBS = _words("get post put patch delete head options request stream send urlopen ws_connect websocket")
HTTP_LIBRARIES = frozenset({"requests", "httpx", "httpx2", "aiohttp", "urllib", "urllib3", "http", "websockets"})
HTTP_CALLS = frozenset(
    {
        *(f"{library}.{verb}" for library in ("requests", "httpx", "httpx2") for verb in VERBS | {"Request"}),
        "requests.api.request",
        "requests.sessions.request",
        "aiohttp.request",
        "urllib.request.urlopen",
        "urllib.request.Request",
        "urllib.request.urlretrieve",
        "urllib3.request",
        "websockets.connect",
        "websockets.client.connect",
        "websockets.sync.client.connect",
        "websockets.asyncio.client.connect",
    }
)
HTTP_CLIENTS = frozenset(
    {
        "httpx.Client",
        "httpx.AsyncClient",
        "httpx2.Client",
        "httpx2.AsyncClient",
        "requests.Session",
        "requests.session",
        "requests.sessions.Session",
        "aiohttp.ClientSession",
        "urllib3.PoolManager",
        "urllib3.ProxyManager",
        "urllib3.HTTPSConnectionPool",
        "urllib3.HTTPConnectionPool",
        "http.client.HTTPSConnection",
        "http.client.HTTPConnection",
    }
)
TAKES_A_HOST = frozenset(name for name in HTTP_CLIENTS if name.endswith(("Connection", "ConnectionPool")))
FAKE_TRANSPORTS = frozenset({"MockTransport", "ASGITransport", "WSGITransport", "MeteredTransport"})

MAKERS = frozenset(
    {"asyncio.to_thread", "functools.partial", "functools.cache", "functools.lru_cache", "fastapi.Depends"}
)
"""What makes a client of a class that it is given, sooner or later."""


class Framework(NamedTuple):
    """Something that makes a client of its own unless it is given one by one of `takes`.

    With `prefixes`, it does so only if its first argument or `model` begins like this.
    """

    name: str
    takes: frozenset[str]
    remedy: str
    prefixes: tuple[str, ...] = ()


_URLS = "base_url api_base"
_MODEL = ("openai", "anthropic", "google", "gemini", "azure", "vertex", "bedrock", "mistral", "groq", "cohere")
_BY_URL = "It takes no client: give it the address of a metered endpoint of yours (base_url), or call through the kit."
_LITELLM = Framework("LiteLLM", _words(f"client {_URLS}"), "Pass client=kit.openai(tenant=…), or call kit.complete(…).")
_CHAT_OPENAI = Framework(
    "LangChain",
    _words("client root_client async_client root_async_client http_client http_async_client"),
    "Hand it the kit's: client = kit.openai(tenant=…), then "
    "ChatOpenAI(root_client=client, client=client.chat.completions).",
)
_EMBED_OPENAI = Framework(
    "LangChain",
    _words("client async_client http_client http_async_client"),
    "Hand it the kit's: OpenAIEmbeddings(client=kit.openai(tenant=…).embeddings).",
)
_LANGCHAIN_URL = Framework("LangChain", _words(f"client {_URLS} anthropic_api_url http_client"), _BY_URL)
_LLAMA = Framework(
    "LlamaIndex",
    _words(f"http_client async_http_client openai_client {_URLS}"),
    "Set its client to the kit's: llm = OpenAI(http_client=…) over a metered transport, or call kit.complete(…).",
)
_PYDANTIC = Framework(
    "Pydantic AI",
    _words("provider"),
    "Hand it the kit's: OpenAIChatModel(name, provider=OpenAIProvider(openai_client=kit.openai(tenant=…))), kit being "
    "an AsyncAIKit.",
)
_PYDANTIC_PROVIDER = Framework(
    "Pydantic AI",
    _words("openai_client anthropic_client client http_client groq_client mistral_client"),
    "Hand it the kit's: OpenAIProvider(openai_client=kit.openai(tenant=…)), kit being an AsyncAIKit.",
)
_AGENT = _PYDANTIC._replace(prefixes=tuple(f"{name}" for name in _MODEL), takes=frozenset())
_SMOL = Framework("smolagents", _words(f"client client_kwargs {_URLS}"), "Give it client=kit.openai(tenant=…).")
_AGENTS = Framework(
    "OpenAI Agents",
    frozenset(),
    "Before it runs: agents.set_default_openai_client(kit.openai(tenant=…)), kit being an AsyncAIKit.",
)
_INSTRUCTOR = Framework(
    "Instructor", frozenset(), "Hand it the kit's: instructor.from_openai(kit.openai(tenant=…)).", _MODEL
)

FRAMEWORKS: dict[str, Framework] = {
    **{f"langchain_openai.{name}": _CHAT_OPENAI for name in ("ChatOpenAI", "AzureChatOpenAI", "OpenAI", "AzureOpenAI")},
    **{f"langchain_openai.{name}": _EMBED_OPENAI for name in ("OpenAIEmbeddings", "AzureOpenAIEmbeddings")},
    **{f"langchain_community.chat_models.{name}": _CHAT_OPENAI for name in ("ChatOpenAI", "AzureChatOpenAI")},
    **{f"langchain.chat_models.{name}": _CHAT_OPENAI for name in ("ChatOpenAI", "AzureChatOpenAI")},
    **{f"langchain_anthropic.{name}": _LANGCHAIN_URL for name in ("ChatAnthropic", "AnthropicLLM")},
    **{f"langchain_community.chat_models.{name}": _LANGCHAIN_URL for name in ("ChatAnthropic", "ChatVertexAI")},
    **{
        f"langchain_google_genai.{name}": _LANGCHAIN_URL
        for name in ("ChatGoogleGenerativeAI", "GoogleGenerativeAI", "GoogleGenerativeAIEmbeddings")
    },
    **{f"langchain_google_vertexai.{name}": _LANGCHAIN_URL for name in ("ChatVertexAI", "VertexAI")},
    **{f"langchain_aws.{name}": _LANGCHAIN_URL for name in ("ChatBedrock", "ChatBedrockConverse", "BedrockLLM")},
    "langchain_mistralai.ChatMistralAI": _LANGCHAIN_URL,
    "langchain_groq.ChatGroq": _LANGCHAIN_URL,
    "langchain.chat_models.init_chat_model": _LANGCHAIN_URL,
    **{
        f"litellm.{name}": _LITELLM
        for name in _words(
            "completion acompletion text_completion atext_completion embedding aembedding responses aresponses "
            "image_generation aimage_generation transcription speech rerank batch_completion Router"
        )
    },
    "pydantic_ai.Agent": _AGENT,
    "pydantic_ai.agent.Agent": _AGENT,
    **{
        f"pydantic_ai.models.{module}.{name}": _PYDANTIC
        for module, name in (
            ("openai", "OpenAIModel"),
            ("openai", "OpenAIChatModel"),
            ("openai", "OpenAIResponsesModel"),
            ("anthropic", "AnthropicModel"),
            ("google", "GoogleModel"),
            ("gemini", "GeminiModel"),
            ("groq", "GroqModel"),
            ("mistral", "MistralModel"),
        )
    },
    **{
        f"pydantic_ai.providers.{module}.{name}": _PYDANTIC_PROVIDER
        for module, name in (
            ("openai", "OpenAIProvider"),
            ("azure", "AzureProvider"),
            ("anthropic", "AnthropicProvider"),
            ("google", "GoogleProvider"),
            ("groq", "GroqProvider"),
            ("mistral", "MistralProvider"),
        )
    },
    "instructor.from_provider": _INSTRUCTOR,
    **{
        f"llama_index.{path}": _LLAMA
        for path in (
            "llms.openai.OpenAI",
            "llms.azure_openai.AzureOpenAI",
            "llms.anthropic.Anthropic",
            "llms.gemini.Gemini",
            "llms.google_genai.GoogleGenAI",
            "embeddings.openai.OpenAIEmbedding",
            "embeddings.azure_openai.AzureOpenAIEmbedding",
        )
    },
    "dspy.LM": Framework("DSPy", _words(_URLS), _BY_URL),
    "dspy.OpenAI": Framework("DSPy", _words(_URLS), _BY_URL),
    "crewai.LLM": Framework("CrewAI", _words(_URLS), _BY_URL),
    "crewai.llm.LLM": Framework("CrewAI", _words(_URLS), _BY_URL),
    **{
        f"smolagents.{name}": _SMOL
        for name in ("OpenAIServerModel", "OpenAIModel", "AzureOpenAIServerModel", "AzureOpenAIModel", "LiteLLMModel")
    },
    **{f"agents.Runner.{name}": _AGENTS for name in ("run", "run_sync", "run_streamed")},
    **{
        f"autogen_ext.models.{module}.{name}": Framework("AutoGen", _words(_URLS), _BY_URL)
        for module, name in (
            ("openai", "OpenAIChatCompletionClient"),
            ("openai", "AzureOpenAIChatCompletionClient"),
            ("anthropic", "AnthropicChatCompletionClient"),
        )
    },
    **{
        f"haystack.components.generators.{path}": Framework("Haystack", _words("api_base_url"), _BY_URL)
        for path in ("OpenAIGenerator", "chat.OpenAIChatGenerator", "AzureOpenAIGenerator", "openai.OpenAIGenerator")
    },
    **{
        f"semantic_kernel.connectors.ai.open_ai.{name}": Framework(
            "Semantic Kernel", _words("async_client"), "Give it async_client=kit.openai(tenant=…), kit an AsyncAIKit."
        )
        for name in ("OpenAIChatCompletion", "AzureChatCompletion", "OpenAITextEmbedding")
    },
}
"""By their full names. Names that a package has at several places are met by their package and last name, too."""

INSTRUCTOR_TAKERS = frozenset(
    f"instructor.{name}"
    for name in ("from_openai", "from_anthropic", "from_genai", "from_gemini", "patch", "apatch", "from_litellm")
)
"""What is handed a client that somebody else has made."""
AGENTS_SETTER = "agents.set_default_openai_client"
AMBIGUOUS = frozenset({"agents"})
"""Packages whose names are words that projects use for their own."""

PACKAGES = frozenset(
    {*(name.partition(".")[0] for name in (*CLIENTS, *FRAMEWORKS)), "instructor", "boto3", "aioboto3", "aiobotocore"}
)
"""A file that imports none of these, and names no kit, no host of a provider and no key, can break no rule."""
