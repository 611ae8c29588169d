"""What providers say, and which fault that is: tables, no code. `classify.py` reads them in this order:

    STRONG codes > SAID (prose, in the order of its rows) > WEAK codes > STATUS > FAINT codes

A strong code means one thing wherever it stands. Weak codes are the wide classes that providers also put around narrower failures
("rate_limit_error" around an empty account), so what is said goes before them; faint ones ("invalid_request_error", "api_error")
stand around anything, so even the HTTP status goes before them.

Sources: the error pages of OpenAI, Azure, Anthropic, Moonshot, Z.ai, MiniMax, DeepSeek, DashScope, Volcengine Ark, OpenRouter, Groq,
Gemini, Together, Fireworks, and the sources of vLLM, llama.cpp, Ollama, TGI, LM Studio and LiteLLM. Codes are folded (`unwrap.fold`).
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from messages.faults import FaultClass

STRONG: dict[FaultClass, str] = {
    "quota": """
        insufficientquota insufficientbalance insufficientcredits insufficientfunds insufficientuserquota exceededcurrentquotaerror billingerror
        billinghardlimitreached billingnotactive arrearage accountoverdueerror paymentrequired paymentrequirederror preconsumetokenquotafailed
        usagelimitreached usagelimitexceeded spendlimitreached budgetexceeded budgetexceedederror allocationquotafreetieronly freetierexhausted
        creditsexhausted creditlimitreached accountquotaexceeded setlimitexceeded subscriptionexpired subscriptionnotactive
        1113 1308 1309 1310 minimax1008 minimax2056 30001""",
    "rate_limit": "resourceexhausted throttlingratequota throttlingallocationquota 1302 1303 1304 1313 minimax1002 minimax1039 minimax1041 minimax2045",
    "overloaded": """
        overloadederror engineoverloadederror serveroverloaded serveroverloadederror modeloverloaded 1305 1312 capacityexceeded unavailableerror
        modelnotreadyexception modelserviceoverloaded modelloading slowdown 50505 50603""",
    "auth": """
        invalidapikey incorrectapikey apikeyinvalid apikeyexpired invalidauthentication invalidauthenticationerror incorrectapikeyerror
        accountdeactivated accountdisabled organizationdeactivated organizationrestricted unsupportedcountryregionterritory
        1000 1001 1002 1003 1004 1110 1111 1112 1121 minimax1004 minimax2049 missingapikey noapikey tokenexpired expiredtoken
        invalidaccesstoken unrecognizedclientexception""",
    "model_not_found": """
        modelnotfound modelnotfounderror modelnotopen invalidendpointormodelnotfound invalidendpointnotfound deploymentnotfound
        modelnotsupported modeldecommissioned modelnotexist accessdeniedunpurchased modelaccessdenied invalidmodel unknownmodel modelunavailable
        1211 1221 1222 1311 minimax2061 20012 noavailablechannel modelnotavailable""",
    "context_length": """
        contextlengthexceeded contextwindowexceedederror exceedcontextsizeerror stringabovemaxlength requesttoolarge 1261
        contextoverflow prompttoolong tokenlimitexceeded contextwindowexceeded""",
    "content_filter": """
        contentfilter contentfiltererror responsibleaipolicyviolation contentpolicyviolation contentpolicyviolationerror datainspectionfailed
        sensitivecontentdetected inputtextsensitivecontentdetected outputtextsensitivecontentdetected inputtextriskdetection
        outputtextriskdetection inputimageriskdetection sensitivewordsdetected promptblocked moderationblocked flaggedcontent
        1301 minimax1026 minimax1027 safety prohibitedcontent recitation blocklist contentblocked guardrailintervened""",
    "invalid_output": """
        toolusefailed jsonvalidatefailed outputparsefailed malformedfunctioncall malformedresponse emptyresponse
        badresponsebody readresponsebodyfailed modeloutputerror toolcallparsefailed nocontentgenerated apiresponsevalidationerror""",
    "unsupported_capability": "unsupportedcapability operationnotsupported notsupportederror unsupportedmodality toolsnotsupported 1212 unsupportedresponseformat",
    "out_of_memory": "outofmemoryerror outofmemory cudaoutofmemory insufficientmemory insufficientsystemresources",
    "timeout": """
        apitimeouterror apiconnectiontimeouterror readtimeout connecttimeout connecttimeouterror readtimeouterror timeoutexception
        timeouterror timeout deadlineexceeded requesttimeout servertimeouterror sockettimeouterror connectiontimeouterror pooltimeout
        writetimeout headerstimeouterror bodytimeouterror modeltimeoutexception gatewaytimeout channelresponsetimeexceeded 1124 minimax1001""",
    "connection": """
        connecterror readerror writeerror remoteprotocolerror localprotocolerror serverdisconnectederror remotedisconnected clientconnectorerror
        clientoserror clientpayloaderror connectionreseterror connectionrefusederror connectionabortederror brokenpipeerror incompletereaderror
        clientconnectordnserror clientconnectorsslerror clientconnectorcertificateerror clientconnectioreseterror clientconnectionreseterror
        gaierror sslerror sslcertverificationerror maxretryerror newconnectionerror protocolerror chunkedencodingerror incompleteread
        transferencodingerror""",
    "cancelled": "cancellederror aborterror apiuseraborterror clientclosedrequest requestcancelled cancelled requestcanceled",
    "server_error": "enginedeaderror asyncenginedeaderror 1200 1230 1234 1120 minimax1013 minimax1024 minimax1033",
    "bad_request": "jsoninvalid missingrequiredparameter invalidjson unsupportedparameter unsupportedvalue unknownparameter invalidtype 1210 1213 1214 1215 1231 minimax2013 minimax1042",
    "unknown": "minimax1000",
}  # fmt: skip

WEAK: dict[FaultClass, str] = {
    "rate_limit": """
        ratelimiterror ratelimited ratelimitexceeded ratelimitreachederror ratelimit toomanyrequests toomanyrequestsexception throttlingexception throttling
        requestslimitexceeded limitation limitrequests quotaexceeded requestratetoohigh servicequotaexceededexception concurrencylimitexceeded""",
    "overloaded": "serviceunavailable serviceunavailableerror unavailable serviceunavailableexception temporarilyunavailable queuefull",
    "auth": "accessterminatederror authenticationerror unauthenticated unauthorized permissionerror permissiondenied permissiondeniederror forbidden accessdenied accessdeniedexception invalidtoken",
    "model_not_found": "notfounderror resourcenotfounderror resourcenotfoundexception notfound",
    "connection": "apiconnectionerror connectionerror networkerror clienterror",
    "unsupported_capability": "unimplemented notimplementederror notimplemented",
    "content_filter": "moderation",
    "out_of_memory": "memoryerror",
}  # fmt: skip

FAINT: dict[FaultClass, str] = {
    "bad_request": """
        invalidrequesterror invalidrequest badrequesterror badrequest invalidargument invalidparameter invalidparametererror validationerror
        validationexception unprocessableentityerror unprocessableentity failedprecondition missingparameter invalidvalue valueerror""",
    "server_error": """
        servererror internalservererror internalerror internal apierror upstreamerror internalfailure internalserverexception
        badgateway badgatewayerror internalserviceerror modelerrorexception""",
    "invalid_output": "jsondecodeerror",
}  # fmt: skip

STATUS: dict[int, FaultClass] = {
    400: "bad_request", 401: "auth", 402: "quota", 403: "auth", 404: "model_not_found", 405: "bad_request", 406: "bad_request", 407: "connection",
    408: "timeout", 409: "server_error", 410: "model_not_found", 413: "context_length", 415: "bad_request", 421: "connection", 422: "bad_request",
    424: "server_error", 425: "overloaded", 429: "rate_limit", 434: "auth", 451: "auth", 498: "overloaded", 499: "cancelled", 500: "server_error",
    501: "unsupported_capability", 502: "server_error", 503: "overloaded", 504: "timeout", 507: "out_of_memory", 521: "connection", 522: "timeout",
    523: "connection", 524: "timeout", 525: "connection", 526: "connection", 529: "overloaded", 530: "connection", 598: "timeout", 599: "timeout",
}  # fmt: skip
"""Where a status is not here, its hundred decides: 4xx bad_request, 5xx server_error, 3xx unknown, 2xx invalid_output."""

PAGE_STATUS: dict[int, FaultClass] = {403: "connection", 401: "connection"}
"""An HTML page with such a status comes from a proxy or a bot wall, which knows nothing of our key."""

CALLER_STATUS = frozenset((400, 405, 406, 409, 411, 415, 422, 431))
"""Statuses that blame the request and nothing narrower."""

When = Literal["any", "their_side", "our_side"]
"""Prose that means something only when the status blames nobody or the server (their_side), or nobody or the request (our_side)."""


class Said(NamedTuple):
    """A failure that is told in prose; `pattern` is searched in what the body says, in lower case."""

    cls: FaultClass
    pattern: re.Pattern[str]
    when: When = "any"


def _said(cls: FaultClass, *patterns: str, when: When = "any") -> Said:
    return Said(cls, re.compile("|".join(patterns)), when)


SAID: tuple[Said, ...] = (
    # A limit that is told with its numbers is one, whatever advice to pay follows it.
    _said(
        "rate_limit",
        r"limit:? ?[\d,]+ ?/ ?(?:sec|min|hour|day)|\bon (?:requests|tokens|input tokens|output tokens) per ",
    ),
    # Money first: an empty account is told as a rate limit, as a prompt that is too long, as forbidden, and never heals by waiting.
    _said(
        "quota",
        r"insufficient[ _](?:\w+ ){0,2}(?:balance|credits?|funds|quota)",
        r"(?:credits?|account|available|wallet|prepaid) balance (?:\w+ ){0,2}(?:too low|insufficient|exhausted|not enough|negative|depleted|zero)",
        r"(?:not|n't) have (?:enough|sufficient|any) (?:\w+ ){0,2}(?:balance|credits?|funds|quota)",
        r"balance (?:is |was )?(?:not enough|insufficient|too low|exhausted|depleted)|not enough (?:\w+ )?(?:credits?|balance|funds)",
        r"(?:run|ran) out of (?:\w+ ){0,2}(?:credits?|balance|funds|quota|money)|out of (?:\w+ )?credits",
        r"(?:used up|exhausted|depleted|consumed|used all|exceeded) (?:\S+ ){0,5}(?:credits|balance|funds)\b",
        r"credits? (?:\w+ ){0,3}(?:depleted|exhausted|used up|expired|ran out)",
        "(?:requires? more|only afford|can(?:no|')t afford|purchase (?:more )?|buy (?:more )?|add(?:ing)? (?:more |some )?|have (?:any|no)|out of|zero) credits",
        "no (?:more )?credits? (?:left|remaining|available)|billing[ _](?:hard[ _]limit|limit|account)|spend(?:ing)?[ _](?:limit|cap)",
        r"exceeded (?:\S+ ){0,4}(?:budget|spending)|budget (?:has been |was )?exceeded|exceeded ?(?:\w+ ?)?budget|max(?:imum)? budget",
        r"over (?:your |the )?budget|(?:monthly|weekly) (?:\w+ ){0,2}(?:limit|quota|cap|allowance|budget)|(?:key|total) limit exceeded",
        "for this billing cycle|credits? limit|payment (?:is )?required|past[- ]due|overdue|in arrears|arrearage|unpaid|failure to pay",
        r"payment (?:\w+ ){0,3}(?:declined|failed)|(?:please |to )(?:recharge|top[ -]?up)|top[ -]?up your|account is not active",
        "check your account'?s? (?:billing|balance)|usage limit",
        r"(?:hit|reached|exceeded|exhausted) your (?:\S+ ){0,3}(?:usage|plan|subscription|message|hour|session|week|weekly)[- ]?(?:ly )?(?:limits?|quota)",
        "(?:limit|quota)s? will reset",
        r"(?:free|trial)[- ](?:tier|quota|trial|allocation|credits?|plan|usage)(?: \S+){0,5} (?:exhausted|expired|used up|ended|is over|has run out)",
        r"trial (?:has )?(?:expired|ended)|subscription (?:\w+ ){0,3}(?:expired|ended|inactive|not active)",
        r"membership (?:benefits?|\w+ ){0,3}(?:expired|not)|verify your membership|exceeded your (?:monthly )?included credits|not purchased",
        "has not been paid|余额|欠费|充值|资源包|套餐(?:已|不)|额度.{0,6}(?:用尽|不足|耗尽|用完|上限|已满)|配额.{0,6}(?:用尽|不足|耗尽|用完)",
        "免费额度|使用上限|未订购|账单",
    ),
    _said(
        "rate_limit",
        r"quota exceeded for (?:quota )?metric|generaterequestsper|free_tier_|allocated quota|token[- ]limit per|hit the (?:\w+ )?rate",
        r"(?:requests?|tokens?|messages?|calls?|queries|models)[- _]per[- _](?:sec|min|hour|day)|per[- _](?:minute|second|hour|day)\b",
        r"/(?:min|minute|day|sec)\b|perday|perminute|\b(?:rpm|tpm|rpd|tpd|qps|qpm|rps|itpm|otpm|tph|rph)\b",
        r"\b(?:daily|hourly) (?:\w+ ){0,3}(?:limit|quota|cap)|rate[- _]?limit(?:s|ed|ing)?\b",
        r"concurren(?:cy|t) (?:\w+ ){0,2}(?:limit|requests?|connections?|quota)|(?:max|limit of|organization) (?:\w+ )?concurrency|并发|频率|限流",
        "速率|过于频繁|请求次数|调用次数|今日|流控|每分钟|请求过多|请求数",
    ),
    _said(
        "quota",
        r"(?:exceed(?:s|ed|ing)?|over|reached|exhausted|out of|used (?:up )?all) (?:\S+ ){0,5}quota",
        r"quota (?:\S+ ){0,4}(?:exceeded|exhausted|reached|used up|depleted|is not enough|insufficient)|check your plan and billing|配额|额度",
    ),
    _said(
        "out_of_memory",
        r"out of (?:\w+ )?memory|\boom\b|(?:more|enough|insufficient|sufficient|exceeds?|limited) (?:\w+ ){0,4}memory",
        r"memory (?:\w+ ){0,4}(?:exceeded|insufficient|exhausted)|(?:failed|unable|cannot|could not|couldn't) (?:\w+ ){0,2}allocate|cudamalloc",
        r"no available memory|too large to (?:be )?(?:load|fit|run)|insufficient system resources|signal: killed|resource limitations|(?:fit|fits) (?:in|into) (?:\w+ ){0,2}memory",
        "(?:显存|内存).{0,4}(?:不足|不够|溢出)",
    ),
    # A refused account or key is told with the words of a content filter ("violates our policies"); it does not heal by another prompt.
    _said(
        "auth",
        r"(?:invalid|incorrect|wrong|bad|missing|expired|revoked|disabled|unknown|malformed|no|illegal|valid|your|provide an?|provided) (?:\S+ ){0,2}?(?:x-)?(?:api|subscription|access|auth)[-_ ]?(?:key|token)(?! id)",
        r"(?:api|access)[-_ ]?(?:key|token) (?:\S+ ){0,4}?(?:invalid|incorrect|expired|revoked|disabled|missing|not (?:\w+ )?(?:valid|found|provided|set|exist)|required|leaked|blocked|malformed|wrong|doesn't exist|does not exist)",
        r"(?:account|organi[sz]ation|project|user|team|workspace) (?:\S+ ){0,4}?(?:deactivated|disabled|banned|terminated|locked|frozen|restricted|suspended|flagged for)",
        "access (?:was |has been |is )?(?:terminated|revoked)|reported as leaked|no auth credentials|x-api-key",
        "(?:身份验证|鉴权|认证|验证).{0,6}(?:失败|错误|不通过)|令牌|(?:key|密钥|token).{0,10}(?:无效|错误|过期|不正确|不存在|非法)",
        "无效的.{0,6}(?:key|密钥|令牌|token)|(?:账户|账号|帐户).{0,6}(?:锁定|封禁|冻结|禁用)",
    ),
    _said(
        "content_filter",
        r"content[ _-](?:management |moderation |safety )?(?:policy|policies|filter\w*)|responsible ?ai|usage (?:policy|policies|guidelines)",
        r"safety (?:system|settings?|filters?|check|reasons?|polic\w+|guidelines|concerns|classifier)",
        r"violat\w+ (?:\S+ ){0,6}(?:policy|policies|guidelines|terms|rules)",
        r"(?:prompt|input|request|response|content|output|message|text|image|completion)s? (?:\S+ ){0,3}(?:was|were|been|is|got) (?:\w+ )?(?:flagged|blocked|filtered|rejected by)",
        "flagged (?:by|for|as)|moderation|inappropriate|sensitive (?:content|words?|information|data)|unsafe|harmful|prohibited|recitation",
        r"jailbreak|content exists risk|risk ?(?:detection|control)|guardrail|blocked (?:by|due to) (?:\S+ ){0,3}(?:safety|policy|filter|prohibited)",
        r"refus(?:ed|al) (?:\w+ ){0,3}(?:safety|policy)|敏感|违规|不安全|内容安全|安全审核|审核|风险|违反.{0,10}(?:政策|规定|规范)|不当内容",
    ),
    # What the server could not parse was the caller's, not the model's.
    _said(
        "bad_request",
        r"failed to parse (?:the )?(?:grammar|tools\b|messages|request|body|schema|json schema|input schema|template)",
    ),
    _said(
        "invalid_output",
        r"(?:error|failed|failure|unable|cannot|could not|couldn't)(?: \w+)?(?: to)?(?: while)? (?:pars\w+|decod\w+|generat\w+|validat\w+|call|extract) (?:\S+ ){0,2}(?:tool|function|json|model|output|response|completion|llm)(?! body of)",
        "failed to parse input at pos|does not contain any json|tool call (?:validation|parsing) failed|malformed[ _](?:function|tool|response)",
        "not (?:a )?valid json (?:response|output)",
        r"model (?:output|response|produced|generated|returned|did not|failed to)[^.]{0,40}(?:invalid|empty|malformed|not valid|unexpected|nothing|\bno\b|not (?:produce|return|generate)|produce|tool call)",
        r"(?<!non-)(?:empty|blank|incomplete|malformed|garbled) (?:\w+ ){0,2}(?:response|completion|output|choices|content|answer|body|message|reply)(?! (?:is|are) not allowed| cannot)",
        "returned (?:an )?(?:empty|no) ",
        r"(?:did not|didn't|does not|doesn't|failed to) (?:provide|return|produce|generate|contain|include) (?:any |an? )?(?:\w+ )?(?:assistant|content|output|response|messages?|text|answer|completion|choices)",
        r"no (?:choices|content|response|output|candidates|message|completion|text) (?:\w+ ){0,3}(?:returned|received|generated|produced|in (?:the )?(?:response|completion)|from)",
        "(?:contain(?:s|ed)|with|has|had) no (?:choices|content|text|output)|without (?:any )?(?:choices|content)",
        "(?:模型|响应|返回)(?:内容|结果|输出)?.{0,4}(?:为空|空内容|解析失败|格式错误)|空响应|工具调用.{0,6}(?:解析|失败)",
    ),
    _said(
        "invalid_output",
        "expecting value|unexpected (?:token|end of (?:json|data|input|file)|character|non-whitespace)|unterminated string",
        "expecting (?:property name|',' delimiter)|extra data: line|is not valid json|invalid json|invalid (?:response|completion|character|output)",
        "failed to (?:parse|decode)|ended without|truncated",
        when="their_side",
    ),
    _said(
        "unsupported_capability",
        r"(?:n't|not|cannot|never|no) (?:\w+ ){0,2}support(?:s|ed|ing)? (?:\S+ ){0,5}?\W?(?:tool|function|image|vision|multi-?modal|audio|video|stream|response_format|json|structured|schema|chat|thinking|embedding|system (?:prompt|message|role)|developer (?:instruction|message|role)|logprobs|pdf|file|assistant prefill|prefill)",
        r"(?:tool|function|image|vision|multi-?modal|audio|video|stream\w*|structured output|json[ _](?:mode|schema|object|output)|response_format|tool_choice|system (?:message|prompt|role)|developer instruction|chat|embedding)s?(?:_url)?\W? (?:\S+ ){0,4}?(?:is|are|was|not|isn't|aren't)(?: \w+)? (?:not |only )?(?:currently |yet )?(?:support|available|enabled|allowed for)",
        r"no endpoints (?:found )?(?:that )?(?:can )?(?:support|handle)|(?:auto\S* )?tool[ _]choice requires|requires? --",
        r"(?:start|launch)\w* (?:\S+ ){0,4}--(?:jinja|mmproj|embeddings?)|is not a (?:multi-?modal|vision|chat) model|not a chat model",
        r"unknown variant `?(?:image|input_image|input_audio)|(?:only|not) (?:\w+ ){0,2}text[- ]only|text-only model|cannot read \S*image|mmproj",
        "不支持.{0,12}(?:工具|函数|图片|图像|视觉|多模态|流式|调用|音频|视频)|(?:工具|函数|图片|图像|视觉|多模态|流式|音频).{0,12}不支持",
    ),
    _said(
        "context_length",
        "context[ _](?:length|window|size|limit)|max_tokens must be at least 1, got -|range of input length|n_ctx|maximum model length",
        r"model's maximum|(?:prompt|input|conversation|messages?|request|text|content|query|string) (?:\S+ ){0,3}too (?:long|large|big)",
        "request_too_large|too many (?:input |prompt )?tokens(?!,? please (?:wait|try)| per| processed)",
        r"(?:requested|input|prompt|total|query|sequence) (?:\w+ ){0,2}(?:tokens?|length|size)\b[^.]{0,40}?(?:exceed|greater than|larger than|more than|longer than|over the|above|maximum|must (?:be|not))",
        r"exceed(?:s|ed|ing)? (?:\S+ ){0,4}(?:token|context|input|sequence|prompt|input)s? (?:\w+ ){0,2}(?:limit|length|window|size|count)",
        r"longer than the (?:\w+ )?(?:max|model)",
        r"exceed(?:s|ed|ing)? (?:the |this |model )?(?:\w+ )?max(?:imum)?(?: \w+){0,3} (?:tokens|length)(?! of (?:output|completion))",
        r"(?:less|fewer) than [\d,]{1,12} tokens|[\d,]{2,12} tokens? (?:>|\(?exceeds?)",
        r"reduce (?:the |your )?(?:\w+ )?(?:length|prompt|input|messages|number of (?:input )?tokens)|shorten (?:your|the)|inputs?`? tokens? \+",
        r"tokens?\b[^.]{0,40}(?:more|greater|larger) than (?:the )?(?:\w+ )?max|token limit|context the overflows|(?:payload|entity|body) (?:is )?too large",
        "(?:上下文|输入|提示词|prompt|tokens?|文本|内容|消息).{0,12}(?:超长|过长|超出|超过|太长|超限)|(?:超过|超出).{0,12}(?:最大|上下文|长度|限制)",
    ),
    _said(
        "model_not_found",
        r"models?\b[^.]{0,100}?(?:not found|not exist|n't exist|is unknown|not (?:currently )?available|(?:not|n't) supported(?! (?:value|parameter))|no longer (?:available|supported)|deprecated|decommissioned|has been (?:retired|removed|shut ?down|disabled)|discontinued|not (?:loaded|deployed|activated|installed|enabled|allowed|permitted|authorized)|end of life|sunset|is disabled|is not valid)",
        r"(?:unknown|invalid|no such|unrecognized|unsupported|non-?existent|unexpected) model(?:_?(?:name|id))?\b(?! (?:output|response|provider))",
        r"not a valid model|models? (?:\w+ ){0,2}(?:identifier|name|id|code)s? (?:\S+ ){0,3}(?:invalid|incorrect|unknown|wrong)|not found the model",
        r"pull(?:ing)? (?:it|the model)|no models? (?:named|loaded|found|available|matching)|could not find (?:\w+ )?model|model_not_found",
        r"no (?:\S+ )?(?:endpoints?|providers?|channels?|deployments?|instances?|available channel) (?:(?!available)\w+ ){0,3}(?:found|configured|for|support)",
        r"deployment\b[^.]{0,60}(?:not exist|not found)|(?:not|n't) have access to (?:\S+ ){0,3}?(?:model|`|deployment)|has not activated",
        "not have access to it|must be verified to use|load a model|not subscribed to|access to (?:the |this )?model|model access",
        "模型.{0,24}(?:不存在|未找到|找不到|已下线|不可用|无效|未开通|没有权限|下架|无权)|无可用渠道|没有可用.{0,4}(?:渠道|模型)|未开通.{0,8}模型",
        "暂未开放",
    ),
    _said(
        "overloaded",
        r"overload|(?:at|over|no|insufficient|limited|not enough|exceeded|lacks?|out of) (?:\w+ ){0,2}capacity",
        r"capacity (?:\w+ ){0,2}(?:exceeded|constraints?|limit|reached)|too busy",
        r"\b(?:server|service|system|engine|model|upstream|gpu)s? (?:\w+ ){0,3}busy",
        r"(?:high|heavy|peak|surge in) (?:\w+ )?(?:demand|traffic|load|usage|volume)|loading (?:the )?model",
        r"(?:model|server|engine)\b[^.]{0,60}?(?:loading|warming|starting up|initiali[sz]ing|not ready|cold start)|warming up",
        r"queue (?:is |was )?full|pending requests|slots? (?:\w+ )?(?:busy|unavailable)|no (?:idle |free |available )?slots?",
        r"\bno (?:healthy |ready |active )?(?:deployments?|instances?|workers?|replicas?) (?:are |is )?(?:currently )?available",
        "temporarily (?:unavailable|out of|at|not available)|currently (?:unavailable|not available)|receiving too many requests",
        r"(?:service|server|model) (?:\w+ )?unavailable|try (?:a )?different model|waiting for (?:\w+ )?capacity|slow down|繁忙|过载|过大|负载|拥挤",
        "排队|加载中|正在加载|暂时不可用",
    ),
    _said(
        "rate_limit",
        r"too many (?:\w+ ){0,2}requests|throttl\w+|request limit|requests? limit|limit (?:reached|exceeded)|请求.{0,4}(?:频繁|超限|上限)",
        "超过.{0,4}限额|限额",
    ),
    _said(
        "timeout",
        "timed?[- ]?out|timeout|deadline[ _]exceeded|took too long|did not respond (?:with)?in|超时|etimedout|esockettimedout",
    ),
    _said(
        "cancelled",
        r"\baborterror\b|(?:request|operation) (?:was |has been )?(?:aborted|cancell?ed)|aborted (?:by|a request)|user abort|context cancell?ed",
        r"client (?:\w+ )?(?:closed|disconnected|went away|cancell?ed|gone)|cancell?ed by (?:the )?(?:user|client|caller)",
        "connection closed by client|取消",
    ),
    _said(
        "connection",
        r"\be(?:conn\w+|notfound|ai_again|pipe|hostunreach|netunreach|proto)\b|\berr_(?:connection|network|internet|name|ssl|tunnel|empty)\w*",
        r"connection (?:\w+ ){0,3}(?:refused|reset|error|closed|aborted|failed|lost|broken|terminated|interrupted|failure|dropped)|connection error",
        "connect call failed|connection(?: attempts)? failed|failed to connect",
        r"(?:cannot|can't|could not|couldn't|can not|unable to|failed to|error) (?:\w+ )?(?:connect\w*|reach\w*|resolv\w*|establish)|peer closed",
        r"server disconnected|remote end closed|(?:incomplete|chunked)(?: \w+)? read|socket hang up|fetch failed",
        r"network[ _](?:error|is unreachable|connection|failure)|\bdns\b|name or service not known|nodename nor servname|name resolution|getaddrinfo",
        r"no such host|no route to host|broken pipe|premature(?:ly)? (?:close|end|eof)|unexpected eof|eof occurred|: eof\b|\b(?:ssl|tls)\b",
        r"certificate|handshake|\bstream (?:was |has been |id \S+ |\w+ )?(?:closed|reset|ended|interrupted|disconnected|error)|payload is not completed",
        "transfer encoding|transferencoding|other side closed|dial tcp|upstream connect error|connection termination|no healthy upstream",
        r"\A(?:typeerror: )?terminated\Z|just a moment|attention required|been blocked|tunnel|proxy error|websocket (?:\w+ )?closed|actively refused",
        "积极拒绝|连接(?:被|失败|超时|错误|重置|中断)|无法连接|网络(?:错误|异常)",
    ),
    _said(
        "model_not_found",
        r"\bmodel\b[^.]{0,40}(?:404|missing|unavailable)",
    ),
    _said(
        "auth",
        r"authenticat\w+|\bauth method|unauthorized|unauthenticated|not authenticated",
        r"(?:invalid|bad|missing|expired|wrong|incorrect) (?:\w+ ){0,2}(?:credentials?|token|bearer|auth\w*|signature|username)",
        r"could not validate credentials|user not found|token (?:\w+ ){0,3}(?:expired|invalid|illegal|revoked|not found)|\bjwt\b|oauth|log ?in",
        r"sign in|not (?:authorized|permitted|allowed) to|(?:permission|access)[ _]denied|(?:not|n't) have (?:the )?(?:\w+ )?(?:permissions?|access)",
        r"(?:lacks?|insufficient|missing|no|without) (?:\w+ ){0,2}(?:permissions?|scopes?|privileges?)|forbidden",
        r"(?:country|region|territory|location)\b[^.]{0,40}not (?:\w+ )?(?:supported|available|allowed)",
        "not (?:supported|available) in your (?:country|region|location)|only available for",
        r"(?:ip|address) (?:\S+ ){0,3}(?:not allowed|whitelist|blocked)|has not been used in project|无权|未授权|权限不足|没有权限|未登录|登录|鉴权",
        "身份验证",
    ),
    _said(
        "bad_request",
        "roles? must alternate|alternate user|jinja|chat template|template (?:error|render)|tool_call_id|tool_use_id|`tool_(?:use|result)`",
        r"must be a response to|preceding message|last message must|first message must|messages?[.\[]\d+|after system message|did not match schema",
        r"invalid schema|could not parse the json body|failed to (?:parse|deserialize|decode) (?:\w+ ){0,3}(?:body|request|json)|unknown field",
        "unrecognized (?:request )?(?:argument|field|key|parameter)|参数|不能为空|缺少|格式(?:错误|不正确)",
    ),
    _said(
        "bad_request",
        "invalid|illegal|malformed|missing|required|unknown (?:field|parameter|name|argument)|unsupported (?:parameter|value|argument)",
        "extra (?:inputs|fields)|not permitted|must (?:be|have|contain|match|not|end|start|follow|provide|include)|should (?:be|not|have)",
        r"\bexpected|validation error|cannot be|can't be|could not parse|additional ?properties|not allowed|supports? at most|unsupported",
        "does not match|out of range|deserializ|conflict",
        when="our_side",
    ),
    _said(
        "server_error",
        "internal(?: server)? error|server (?:had|encountered|experienced) an|bad gateway|engine ?(?:core|is dead)",
        "runner (?:process )?(?:has )?(?:terminated|exited|crashed|no longer)|segmentation|panic|runtime error|cuda error",
        "内部错误|服务器?(?:内部)?(?:错误|异常)|系统(?:错误|异常)|服务异常",
    ),
    _said(
        "server_error",
        "unexpected error|something went wrong|upstream error|provider returned error|error from provider|an error occurred|traceback",
        when="their_side",
    ),
    _said(
        "overloaded",
        "稍后|稍候",
    ),
)
