"""The wording that `injection` knows, as patterns. Each is bounded, so that a match is never longer than `LONGEST`."""

# ruff: noqa: E501
# fmt: off

from __future__ import annotations

from typing import NamedTuple

LONGEST = 300
"No match is longer, with a character after it; a test measures the patterns."


class Wording(NamedTuple):
    """A pattern that begins with one of the `stems`, which are lower case and looked for first."""

    kind: str
    stems: tuple[str, ...]
    pattern: str


_ALL = r"(?:all|any|every|each|everything)?(?: of)?"
_YOUR = r"(?:the|your|my|these|those|previous|prior|above|earlier|preceding|foregoing|existing|original|initial|old|current|system|safety|developer|operator)"
_RULES = r"(?:instructions?|prompts?|rules?|guidelines?|directions?|directives?|commands?|orders?|polic(?:y|ies)|restrictions?|constraints?|programming|training|context|guardrails?|safeguards?)"
_NOT_OF_DATA = r"(?! (?:in|inside|within|from) (?:it\b|them\b|there\b|<|the (?:text|data|document|input|thread|message|content|answer|source)s?\b))"
"How a prompt says that what it quotes is data, as those of `aikit prompt new` do."
_WORDS = r"(?:[\w'-]{1,20}[ ,]{1,2}){0,3}"

WORDINGS: tuple[Wording, ...] = (
    Wording("override", ("ignore", "disregard", "forget", "override", "bypass", "discard", "neglect", "overlook", "drop", "skip"),
            rf"\b(?:ignore|disregard|forget|override|bypass|discard|neglect|overlook|drop|skip)(?:ing)?\s{{1,3}}(?:about\s)?(?:{_ALL}\s{{0,2}}(?:{_YOUR}\s{{1,2}}){{1,3}}{_WORDS}{_RULES}|(?:all|any|every)(?: of)?\s{{1,2}}{_WORDS}{_RULES})\b"),
    Wording("override", ("ignore", "disregard", "forget"),
            r"\b(?:ignore|disregard|forget)\s{1,3}(?:everything|anything|all(?: of)?(?: that| this)?|what(?:ever)?)\s{1,2}(?:that\s|which\s)?(?:(?:you|i|we|they|was|were|is|has|have|had|been|been\s|came|stands|written)\s?){1,4}(?:told|said|taught|given|instructed|learned|before|above|previously|prior|so far|wrote|asked)"),
    Wording("override", ("ignore", "disregard", "forget"),
            r"\b(?:ignore|disregard|forget)\s{1,3}(?:everything|all|anything|the text|the rest|whatever)(?: (?:that|which))?(?: (?:is|was|came|comes|stands))? (?:above|before|prior|previously|so far|up to)\b"),
    Wording("override", ("new instruction", "updated instruction", "new system prompt", "new directive", "revised instruction"),
            r"\b(?:new|updated|revised)\s(?:system\s|higher.priority\s)?(?:instructions?|prompt|directives?|orders?)\s?(?::|are|is|follow|supersede|override|take)"),
    Wording("override", ("your instructions", "your rules", "your guidelines", "your previous", "your prior", "instructions above", "previous instructions", "prior instructions", "earlier instructions"),
            rf"\b(?:your|previous|prior|earlier|instructions)\s{_WORDS}(?:{_RULES}\s|above\s){{0,2}}(?:no longer apply|do(?:es)? not apply|are (?:now )?(?:void|cancell?ed|obsolete|suspended|superseded|lifted|invalid|overridden|revoked|null)|have (?:now )?(?:changed|been (?:updated|replaced|revoked|lifted|cancell?ed|suspended|overridden)))"),
    Wording("override", ("do not follow", "don't follow", "stop following", "do not obey", "stop obeying", "don't obey", "do not adhere"),
            rf"\b(?:do not|don't|stop) (?:follow|obey|adhere to)(?:ing)? {_WORDS}{_RULES}\b{_NOT_OF_DATA}"),
    Wording("role_play", ("you are now", "you're now", "from now on", "pretend", "act as", "roleplay", "role-play", "simulate", "imagine you"),
            r"\b(?:you are now|you're now|from now on,? you(?: are|'re| will(?: be| act as)?)|pretend (?:that )?(?:you(?: are|'re)|to be)|act as(?: if you (?:are|were))?|role-?play(?:ing)? as|simulate|imagine you(?: are|'re))\s[^.\n]{0,80}?\b(?:unrestricted|unfiltered|uncensored|jailbroken|jailbreak|no (?:rules|restrictions|limits|limitations|filters?|guidelines|ethics|morals|constraints)|without (?:any )?(?:rules|restrictions|limits|limitations|filters?|guidelines|ethical|moral|constraints|censorship)|not bound by|free (?:of|from) (?:all |any )?(?:rules|restrictions|limits|constraints)|DAN|evil|amoral|can do anything|do anything now|developer mode|god mode|root access)"),
    Wording("role_play", ("do anything now", "developer mode", "god mode", "jailbreak mode", "dan mode", "sudo mode", "unrestricted mode", "debug mode", "admin mode", "maintenance mode"),
            r"\b(?:do anything now|(?:enter|enable|activate|switch (?:in)?to|engage|turn on|you are (?:now )?in|unlock)\s(?:the\s)?(?:developer|god|jailbreak|dan|sudo|unrestricted|debug|admin|maintenance)[ -]mode|(?:developer|god|jailbreak|dan|sudo|unrestricted)[ -]mode (?:enabled|activated|on|is on|engaged))"),
    Wording("role_play", ("stay in character", "never break character", "opposite of", "without any restrictions", "no ethical", "without ethical", "without any moral", "without any filter", "without restrictions", "grandmother"),
            r"\b(?:(?:stay in|never break) character\b[^.\n]{0,60}(?:no matter|even if|whatever)|(?:respond|answer|reply|speak) without (?:any )?(?:restrictions|filters?|ethical|moral|censorship)|no ethical (?:limits|constraints|guidelines)|(?:without (?:any )?(?:restrictions|ethical|moral|filters?))[^.\n]{0,40}(?:answer|respond|reply|comply)|grandmother\b[^.\n]{0,80}(?:used to|would) (?:read|tell|recite)[^.\n]{0,40}(?:key|password|recipe|napalm|code))"),
    Wording("exfiltration", ("reveal", "show", "print", "repeat", "output", "display", "tell me", "disclose", "leak", "give me", "send", "share", "write out", "dump", "recite", "copy", "translate", "summarize", "summarise", "expose", "list", "what is", "what are", "what's", "what were"),
            r"\b(?:reveal|show|print|repeat|output|display|tell|disclose|leak|give|send|share|write out|dump|recite|copy|translate|summari[sz]e|expose|list|what (?:is|are|were)|what's)(?:\s(?:me|us|back|out|to me|verbatim|exactly))?\s(?:[\w'-]{1,14}\s){0,4}?(?:your|the)\s(?:[\w'-]{1,14}\s){0,2}?(?:system (?:prompt|message|instructions?)|(?:hidden|secret|initial|original|internal|confidential|full|exact|developer) (?:prompt|instructions?|rules|message|guidelines|configuration)|prompt(?: above| verbatim| word for word)|instructions (?:above|verbatim|you (?:were|have been) given|word for word))"),
    Wording("exfiltration", ("repeat", "print", "output", "write", "copy", "recite"),
            r"\b(?:repeat|print|output|write|copy|recite)\s(?:out\s|back\s|down\s)?(?:everything|all(?: of)? (?:the )?(?:text|words|content)|the (?:text|words|content|sentences))\s(?:that (?:is|was|came|comes|appears)\s|written\s)?(?:above|before|prior|preceding|up to)"),
    Wording("exfiltration", ("send", "post", "forward", "upload", "exfiltrate", "email", "transmit", "append", "include", "embed", "encode"),
            r"\b(?:send|post|forward|upload|exfiltrate|e-?mail|transmit|append|include|embed|encode)\s(?:[\w'-]{1,16}[ ,]){0,6}?(?:conversation|chat history|api keys?|passwords?|credentials|secrets?|private keys?|access tokens?|environment variables|user(?:'s)? data|personal data|messages? history|contacts|cookies)\s(?:[\w'-]{1,16}[ ,]){0,6}?(?:to|in|into|as|at)\s(?:the |a |an |this )?(?:https?:|www\.|[\w.+-]{1,40}@|url|link|image|query|parameter|webhook|address|server|markdown)"),
    Wording("forged_turn", ("<|im_start|>", "<|im_end|>", "<|system|>", "<|endoftext|>", "<|start_header_id|>", "[/inst]", "[inst]", "<<sys>>", "<|eot_id|>", "<|assistant|>", "<|user|>", "<start_of_turn>", "<|end|>", "<｜"),
            r"<\|(?:im_start|im_end|system|user|assistant|endoftext|end|start_header_id|end_header_id|eot_id)\|>|\[/?INST\]|<<SYS>>|<start_of_turn>|<｜[\w▁]{1,30}｜>"),
    Wording("forged_turn", ("system", "assistant", "developer", "admin"),
            r"(?:(?<=\n)|(?<=###)|(?<=###\s)|(?<=\[)|(?<=<)|(?<=\*\*))(?:system|assistant|developer|admin)(?: (?:message|prompt|override|notice|instruction|note|alert))?\s?(?:\]|>|:\*\*|\*\*:?|:)\s{0,3}(?:you (?:must|are|will|should|have)|ignore|disregard|forget|new |the (?:user|assistant|above)|override|from now|please (?:ignore|disregard)|sure|your |do not|stop|all )"),
    Wording("forged_turn", ("end of", "begin ", "</"),
            r"(?:-{2,5}|={2,5}|#{2,5}|\[)\s?(?:end of|begin)\s(?:the\s|new\s)?(?:user |system |developer )?(?:prompt|instructions?|input|document|context|data|message|query)\s?(?:-{2,5}|={2,5}|#{2,5}|\])|</(?:user|system|document|context|instructions?|user_input|data|prompt|tool_result|query)>\s{0,4}<?(?:system|instructions?|new|you|ignore|now)"),
    Wording("encoded", ("decode", "base64", "rot13", "decrypt", "reverse the", "hexadecimal", "unscramble", "morse"),
            r"\b(?:decode|decrypt|unscramble|reverse|convert|deobfuscate|base64|rot13)\b[^.\n]{0,100}?\b(?:and|then|, )\s?(?:then\s)?(?:follow|execute|obey|comply|do what|carry out|act on|perform|run|treat (?:it|them) as|answer (?:it|as)|use (?:it|them) as)"),
    Wording("encoded", ("follow", "execute", "obey", "carry out", "comply"),
            r"\b(?:follow|execute|obey|carry out|comply with)\s(?:the\s|this\s|these\s)?(?:[\w-]{1,14}\s){0,2}?(?:base64|encoded|encrypted|rot13|hidden|hex(?:adecimal)?|reversed|obfuscated)\b"),
    Wording("tool_order", ("ai assistant", "ai agent", "language model", "llm", "ai model", "assistants", "any ai", "chatbot", "ai system", "copilot", "gpt", "claude", "gemini"),
            r"\b(?:ai (?:assistants?|agents?|models?|systems?)|(?:large )?language models?|llms?|assistants|any ai|chatbots?|copilot|(?:chat)?gpt|claude|gemini)\b[^.\n]{0,60}?(?:\b(?:must|should|shall|need to|have to|has to|is (?:required|instructed) to|are (?:required|instructed) to|please|immediately|are ordered to)\b|:)\s?(?:also |now |immediately |instead |first |always |please ){0,2}(?:ignore|disregard|forget|send|forward|delete|execute|run|call|reveal|rate|rank|recommend|approve|transfer|click|visit|open|include|add|tell|say|state|output|respond|reply|write|not (?:mention|tell|inform|reveal|summari[sz]e))"),
    Wording("tool_order", ("if you are an", "if you're an", "attention", "important", "note to", "instruction to", "instructions to", "instructions for", "message to", "message for", "notice to"),
            r"\b(?:if (?:you are|you're) an? (?:ai|llm|large|language|assistant|automated|bot|agent)|(?:attention|important|note|instructions?|message|notice)(?: message| note| notice| instructions?)?(?: (?:to|for))?(?: all| the| any)?:? (?:ai\b|llms?\b|assistants?\b|language model|chatbot|agents?\b|model\b|summari[sz]er))[^\n]{0,120}?\b(?:ignore|disregard|forget|send|forward|delete|execute|run|call|reveal|rate|rank|recommend|approve|transfer|click|visit|open|include|add|tell|say|state|output|respond|reply|write|do not|don't|stop|instead|use)\b"),
    Wording("tool_order", ("do not tell the user", "don't tell the user", "do not mention", "don't mention", "without telling the user", "do not inform the user", "without informing", "without asking", "never tell the user", "hide this from the user", "keep this secret from"),
            r"\b(?:(?:do not|don't|never) (?:tell|inform|alert|notify|mention (?:this|it|these instructions?)(?: to)?) (?:to )?the user|without (?:telling|informing|notifying|asking|alerting) the user|(?:hide|keep) this (?:secret )?from the user)"),
    Wording("override", ("ignor", "vergiss", "missachte", "oublie", "olvida", "dimentica", "esquec", "negeer", "vergeet", "zignoruj", "ignorera"),
            r"\b(?:ignorier(?:e|en sie|t)?|vergiss|vergessen sie|missachte|ignorez?|ignore|oublie[zr]?|ne tene?z pas compte de|ignora|ignorar|ignore|olvida|olvide|dimentica|dimenticate|esque[çc]a|desconsidere|negeer|vergeet|zignoruj|ignorera)\s(?:[\wäöüßéèêàçñáíóúãõâ']{1,14}\s){0,4}?(?:vorherigen|bisherigen|obigen|vorigen|früheren|anweisungen|instruktionen|regeln|pr[ée]c[ée]dentes?|consignes|instructions ant[ée]rieures|instrucciones|indicaciones|anteriores|previas|istruzioni|precedenti|instru[çc][õo]es|instructies|eerdere|vorige|poprzednie|instrukcje|instruktioner|tidigare)"),
    Wording("override", ("игнориру", "забудь", "проигнорируй", "忽略", "无视", "忘记", "無視", "忽視", "忘れ", "무시", "잊어", "تجاهل", "انس", "अनदेखा", "भूल"),
            r"(?:(?:проигнорируй|игнорируй|игнорировать|забудь)(?:те)?\s(?:[\w]{1,14}\s){0,4}?(?:инструкц|указани|правил|команд|сказан)\w{0,6}|(?:忽略|无视|忘记|無視|忽視)[^。\n]{0,12}(?:指令|指示|说明|规则|提示|要求|規則|内容)|(?:अनदेखा|भूल)\s?(?:कर|जा)\w{0,4}|تجاهل\s(?:[\w]{1,14}\s){0,3}?(?:التعليمات|الأوامر|القواعد|تعليمات))"),
    Wording("override", ("指示", "命令", "ルール", "指令", "지시", "명령", "निर्देश"),
            r"(?:(?:指示|命令|ルール|指令)[^。\n]{0,12}(?:無視|忘れ|従わない)|(?:지시|명령|규칙)[^.\n]{0,14}(?:무시|잊)|निर्देशों[^।\n]{0,20}(?:अनदेखा|भूल|नज़रअंदाज़))"),
    Wording("exfiltration", ("system", "prompt", "système", "sistema", "систем", "系统", "システム", "시스템"),
            r"(?:system-?prompts?\b[^.\n]{0,30}\b(?:aus|an|preis|offen)\b|(?:prompt|invite|message|instructions) (?:du )?syst[èe]me\b|(?:prompt|mensaje|instrucciones|istruzioni|mensagem|instru[çc][õo]es) (?:del|de|do) sistema\b|системн\w{1,4} (?:промпт|инструкц|подсказк)\w{0,4}|系统提示|システムプロンプト|시스템 프롬프트)"),
)  # fmt: skip
