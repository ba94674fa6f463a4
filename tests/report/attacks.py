"""Words that try to become markup, script, style or an address."""

ATTACKS = (
    "<script>alert(1)</script>", "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>", "<svg><use href=//evil.example#x></svg>", "<iframe src=//evil.example></iframe>",
    "<object data=//evil.example></object>", "<embed src=//evil.example>", "<form action=//evil.example><button>",
    "<base href=//evil.example>", "<link rel=stylesheet href=//evil.example>",
    "<style>@import '//evil.example'</style>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>", "<a href=javascript:alert(1)>a</a>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>", "<video><source onerror=alert(1)>",
    "<details open ontoggle=alert(1)>", "<body onload=alert(1)>", "<input autofocus onfocus=alert(1)>",
    "{@html '<b onclick=alert(1)>b</b>'}", "{{constructor.constructor('alert(1)')()}}", "${alert(1)}", "`+alert(1)+`",
    "<!-- -->", "-->", "]]>", "\" onmouseover=\"alert(1)", "' onfocus='alert(1)",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "url(//evil.example)", "expression(alert(1))",
    "\u202edlihc\u202c", "a" * 400, "%3Cscript%3Ealert(1)%3C/script%3E", "\\u003cscript\\u003e", "\\", "\x7f",
    "<b", "</div></main></body>", "<textarea>", "<title>", "<plaintext>", "<template><img src=x></template>", "<slot>",
    "=cmd|' /C calc'!A0", "__proto__", "constructor", "{They}{constructor}{__proto__}",
)  # fmt: skip
