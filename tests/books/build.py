"""Makes the corpus beside this file: `python build.py` with typst, python-docx, odfpy, reportlab,
weasyprint and groff installed. The texts are our own; nothing is taken from a book.

Each book is written from one description, which is also what is expected of its reading.
"""

import json
import pathlib
import subprocess
import zipfile
from html import escape

HERE = pathlib.Path(__file__).parent

SENTENCES = {
    "en": [
        "The lamp in the window had burned all night, and nobody in the street knew who had lit it.",
        "She counted the boats again, though the harbour had been empty since the first days of winter.",
        "“Bring the ladder,” said Mr. Ames, “and mind the third rung, which is not to be trusted.”",
        "A letter lay on the table, unopened, under a stone that somebody had carried up from the beach.",
        "In Chapter 3 of the old almanac there was a drawing of the tower as it had been before the fire.",
        "They walked along the wall until the wind turned, and then they walked a little faster.",
        "There were 12 steps to the cellar, and the last of them was always under water in the spring.",
        "He had promised to come before dark; it was dark now, and the dog had stopped listening.",
        "The well-known map of the coast showed an island there, and every sailor knew that it was wrong.",
    ],
    "de": [
        "Die Lampe im Fenster hatte die ganze Nacht gebrannt, und niemand wusste, wer sie angezündet hatte.",
        "Sie zählte die Boote noch einmal, obwohl der Hafen seit den ersten Wintertagen leer war.",
        "„Bring die Leiter“, sagte Herr Amsel, „und gib auf die dritte Sprosse acht.“",
        "Ein Brief lag ungeöffnet auf dem Tisch, unter einem Stein vom Strand.",
        "Sie gingen die Mauer entlang, bis der Wind drehte, und dann gingen sie ein wenig schneller.",
    ],
    "fr": [
        "La lampe de la fenêtre avait brûlé toute la nuit, et personne ne savait qui l’avait allumée.",
        "Elle compta encore les bateaux, bien que le port fût vide depuis les premiers jours d’hiver.",
        "« Apporte l’échelle, dit monsieur Amel, et prends garde au troisième barreau. »",
        "Une lettre était posée sur la table, sous une pierre que quelqu’un avait rapportée de la plage.",
    ],
    "es": [
        "La lámpara de la ventana había ardido toda la noche, y nadie sabía quién la había encendido.",
        "Volvió a contar los barcos, aunque el puerto estaba vacío desde los primeros días del invierno.",
        "Había una carta sobre la mesa, debajo de una piedra que alguien había traído de la playa.",
        "Caminaron junto al muro hasta que cambió el viento, y entonces caminaron un poco más deprisa.",
    ],
    "it": [
        "La lampada alla finestra era rimasta accesa tutta la notte, e nessuno sapeva chi l’avesse accesa.",
        "Contò di nuovo le barche, anche se il porto era vuoto dai primi giorni dell’inverno.",
        "Una lettera era sul tavolo, sotto una pietra che qualcuno aveva portato dalla spiaggia.",
    ],
    "ru": [
        "Лампа в окне горела всю ночь, и никто на улице не знал, кто её зажёг.",
        "Она снова пересчитала лодки, хотя гавань была пуста с первых дней зимы.",
        "— Принеси лестницу, — сказал он, — и берегись третьей ступеньки.",
        "На столе лежало письмо, придавленное камнем, который кто-то принёс с берега.",
    ],
    "zh": [
        "窗前的灯亮了一整夜，街上没有人知道是谁点的。",
        "她又数了一遍船，虽然从入冬的第一天起港口就是空的。",
        "桌上放着一封没有拆开的信，上面压着一块从海边带来的石头。",
        "他们沿着墙走，直到风转了方向，然后走得快了一些。",
    ],
    "ja": [
        "窓辺のランプは一晩中ともっていたが、誰がつけたのかを知る者は通りにいなかった。",
        "港は冬の初めから空だったのに、彼女はもう一度舟の数をかぞえた。",
        "机の上には、浜から持ってきた石の下に、開けられていない手紙があった。",
    ],
    "ar": [
        "ظل المصباح في النافذة مضاء طوال الليل ولم يكن أحد في الشارع يعرف من أشعله.",
        "عدت القوارب مرة أخرى مع أن الميناء كان خاليا منذ أول أيام الشتاء.",
        "كانت على الطاولة رسالة لم تفتح تحت حجر حمله أحدهم من الشاطئ.",
    ],
    "he": [
        "המנורה בחלון דלקה כל הלילה ואיש ברחוב לא ידע מי הדליק אותה.",
        "היא ספרה שוב את הסירות אף שהנמל היה ריק מראשית החורף.",
        "על השולחן היה מונח מכתב סגור מתחת לאבן שמישהו הביא מן החוף.",
    ],
}
NIGHTS = {
    "en": "Night {n} began with rain.",
    "de": "Nacht {n} begann mit Regen.",
    "fr": "La nuit {n} commença par la pluie.",
    "es": "La noche {n} empezó con lluvia.",
    "it": "La notte {n} cominciò con la pioggia.",
    "ru": "Ночь {n} началась с дождя.",
    "zh": "夜晚{n}从一场雨开始。",
    "ja": "夜{n}は雨で始まった。",
    "ar": "الليلة {n} بدأت بالمطر.",
    "he": "לילה {n} התחיל בגשם.",
}


def piece(lang, n, title, kind="chapter", section=None, paragraphs=9):
    pool = SENTENCES[lang]
    texts = []
    for p in range(paragraphs):
        count = 2 + (n + p) % 4
        texts.append(" ".join(pool[(n * 3 + p * 2 + i) % len(pool)] for i in range(count)))
    first = NIGHTS[lang].format(n=n + 100)
    texts[0] = first + " " + texts[0]
    return {"title": title, "kind": kind, "section": section, "paragraphs": texts, "first": first}


def book(lang, titles, title="The Harbour Lamp", author="Ada Wick", **more):
    pieces = []
    section = None
    for n, entry in enumerate(titles):
        kind = "chapter"
        if isinstance(entry, tuple):
            entry, kind = entry
        if kind == "section":
            section = entry
            continue
        pieces.append(piece(lang, n, entry, kind, section if kind == "chapter" else None))
    return {"lang": lang, "title": title, "author": author, "pieces": pieces, **more}


def expect(name, b, title=True, author=True, contents=None):
    value = {
        "language": b["lang"],
        "chapters": [
            {"title": p["title"], "kind": p["kind"], "starts_with": p["first"]} for p in b["pieces"]
        ],
    }
    if contents:
        value["chapters"].insert(0, {"title": contents, "kind": "front_matter"})
    if title:
        value["title"] = b["title"]
    if author:
        value["authors"] = [b["author"]]
    if not all(p["title"] for p in b["pieces"]):
        for chapter in value["chapters"]:
            chapter.pop("title")
    text = json.dumps(value, ensure_ascii=False, indent=1)
    (HERE / f"{name}.expected.json").write_text(text + "\n", encoding="utf-8")


def save(name, ending, data, b, **kwargs):
    if isinstance(data, str):
        data = data.encode()
    (HERE / f"{name}.{ending}").write_bytes(data)
    expect(name, b, **kwargs)


FRONT = ("Preface", "front_matter")
NAMES = ["Dusk", "The Ladder", "A Stone from the Beach", "Twelve Steps", "The Wind Turns", "Dawn"]
BACK = ("Afterword", "back_matter")
NOVEL = book("en", [FRONT, *[f"Chapter {n + 1}: {t}" for n, t in enumerate(NAMES)], BACK])
WORDED = book("en", ["Prologue", *[f"Chapter {w}" for w in "One Two Three Four Five".split()], "Epilogue"])
NAMED = book("en", NAMES)
PARTS = book(
    "en",
    [FRONT, ("Part One", "section"), "Chapter 1: Dusk", "Chapter 2: The Ladder", ("Part Two", "section"),
     "Chapter 3: Twelve Steps", "Chapter 4: Dawn", BACK],
)
ROMAN = book("en", ["I", "II", "III", "IV", "V", "VI", "VII"])
LANGUAGES = {
    "de": ["Vorwort", "Erstes Kapitel", "Zweites Kapitel", "Drittes Kapitel", "Viertes Kapitel", "Nachwort"],
    "fr": ["Avant-propos", "Chapitre premier", "Chapitre II", "Chapitre III", "Chapitre IV", "Postface"],
    "es": ["Prefacio", "Capítulo primero", "Capítulo segundo", "Capítulo tercero", "Epílogo"],
    "it": ["Prefazione", "Capitolo I", "Capitolo II", "Capitolo III", "Capitolo IV"],
    "ru": ["Предисловие", "Глава первая", "Глава вторая", "Глава третья", "Глава четвёртая", "Послесловие"],
    "zh": ["前言", "第一章 灯", "第二章 船", "第三章 信", "第四章 风", "后记"],
    "ja": ["まえがき", "第一章 灯", "第二章 舟", "第三章 手紙", "あとがき"],
    "ar": ["مقدمة", "الفصل الأول", "الفصل الثاني", "الفصل الثالث", "خاتمة"],
    "he": ["הקדמה", "פרק א", "פרק ב", "פרק ג", "פרק ד", "אחרית דבר"],
}
FRONTS = {"Vorwort", "Avant-propos", "Prefacio", "Prefazione", "Предисловие", "前言", "まえがき", "مقدمة", "הקדמה"}
BACKS = {"Nachwort", "Postface", "Послесловие", "后记", "あとがき", "אחרית דבר"}


def kinded(titles):
    return [
        (t, "front_matter") if t in FRONTS else (t, "back_matter") if t in BACKS else t for t in titles
    ]


def wrap(text, width=72):
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


def plain(b, upper=False, contents=False, indent=False, page=True):
    head = f"{b['title'].upper()}\n\nby {b['author']}\n\n" if page else ""
    out = [head]
    if contents:
        out.append("CONTENTS\n\n" + "".join(f"  {p['title']}\n" for p in b["pieces"]) + "\n\n")
    section = None
    for p in b["pieces"]:
        if p["section"] != section and p["section"]:
            out.append(f"\n\n{p['section'].upper()}\n\n")
        section = p["section"]
        out.append(f"\n\n{p['title'].upper() if upper else p['title']}\n\n")
        for text in p["paragraphs"]:
            out.append((("   " if indent else "") + wrap(text)) + ("\n" if indent else "\n\n"))
    return "".join(out)


def headed(b, part="h1", chapter="h2", title=True):
    out = [f"<h1>{escape(b['title'])}</h1><p>{escape(b['author'])}</p>"] if title else []
    section = None
    for p in b["pieces"]:
        if p["section"] != section and p["section"]:
            out.append(f"<{part}>{escape(p['section'])}</{part}>")
        section = p["section"]
        out.append(f"<{chapter}>{escape(p['title'])}</{chapter}>")
        out.extend(f"<p>{escape(t)}</p>" for t in p["paragraphs"])
    return "\n".join(out)


def html(b, body, css="", meta=True):
    direction = ' dir="rtl"' if b["lang"] in ("ar", "he") else ""
    author = f'<meta name="author" content="{escape(b["author"])}">' if meta else ""
    return (
        f'<!DOCTYPE html><html lang="{b["lang"]}"{direction}><head><meta charset="utf-8">'
        f"<title>{escape(b['title'])}</title>{author}<style>{css}</style></head><body>{body}</body></html>"
    )


def markdown(b):
    out = [f"---\ntitle: {b['title']}\nauthor: {b['author']}\nlang: {b['lang']}\n---\n"]
    section = None
    for p in b["pieces"]:
        if p["section"] != section and p["section"]:
            out.append(f"# {p['section']}\n")
        section = p["section"]
        out.append(f"{'##' if p['section'] else '#'} {p['title']}\n")
        out.extend(t + "\n" for t in p["paragraphs"])
    return "\n".join(out)


def fb2(b):
    out, section = [], None
    for p in b["pieces"]:
        if p["section"] != section:
            if section:
                out.append("</section>")
            if p["section"]:
                out.append(f"<section><title><p>{p['section']}</p></title>")
        section = p["section"]
        paragraphs = "".join(f"<p>{escape(t)}</p>" for t in p["paragraphs"])
        title = "".join(f"<p>{escape(t)}</p>" for t in p["title"].split(": "))
        out.append(f"<section><title>{title}</title>{paragraphs}</section>")
    if section:
        out.append("</section>")
    first, last = b["author"].split()
    return (
        '<?xml version="1.0" encoding="utf-8"?><FictionBook '
        'xmlns="http://www.gribuser.ru/xml/fictionbook/2.0"><description><title-info><genre>prose</genre>'
        f"<author><first-name>{first}</first-name><last-name>{last}</last-name></author>"
        f"<book-title>{b['title']}</book-title><lang>{b['lang']}</lang></title-info></description>"
        f"<body><title><p>{b['author']}</p><p>{b['title']}</p></title>{''.join(out)}</body>"
        '<body name="notes"><section id="n1"><title><p>1</p></title><p>A note.</p></section></body>'
        "</FictionBook>"
    )


def rtf(b, styled=True):
    def text(value):
        return "".join(
            c if ord(c) < 128 and c not in "\\{}" else f"\\u{ord(c) if ord(c) < 32768 else ord(c) - 65536}?"
            for c in value
        )

    out = [
        "{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0\\froman Times New Roman;}}"
        "{\\stylesheet{\\s0 Normal;}{\\s1\\b heading 1;}{\\s2\\b heading 2;}}"
        f"{{\\info{{\\title {text(b['title'])}}}{{\\author {text(b['author'])}}}}}\n"
    ]
    for p in b["pieces"]:
        style = "\\s1\\b" if styled else "\\qc"
        out.append(f"\\pard\\plain{style} {text(p['title'])}\\par\n")
        out.extend(f"\\pard\\plain {text(t)}\\par\n" for t in p["paragraphs"])
    return "".join(out) + "}"


def docx(path, b, styled=True):
    import docx as word

    document = word.Document()
    document.core_properties.title = b["title"]
    document.core_properties.author = b["author"]
    document.core_properties.language = b["lang"]
    if styled:
        document.add_paragraph(b["title"], style="Title")
    section = None
    for p in b["pieces"]:
        if p["section"] != section and p["section"]:
            document.add_heading(p["section"], 1)
        section = p["section"]
        if styled:
            document.add_heading(p["title"], 2 if b.get("deep") and p["kind"] == "chapter" else 1)
        else:
            document.add_paragraph(p["title"])
        for text in p["paragraphs"]:
            document.add_paragraph(text)
    document.save(path)


def odt(path, b):
    from odf import dc, meta, style, text as t
    from odf.opendocument import OpenDocumentText

    document = OpenDocumentText()
    for level in (1, 2):
        document.styles.addElement(style.Style(name=f"Heading_20_{level}", family="paragraph"))
    document.meta.addElement(dc.Title(text=b["title"]))
    document.meta.addElement(meta.InitialCreator(text=b["author"]))
    document.meta.addElement(dc.Language(text=b["lang"]))
    section = None
    for p in b["pieces"]:
        if p["section"] != section and p["section"]:
            document.text.addElement(t.H(outlinelevel=1, text=p["section"]))
        section = p["section"]
        level = 2 if p["section"] else 1
        document.text.addElement(t.H(outlinelevel=level, stylename=f"Heading_20_{level}", text=p["title"]))
        for paragraph in p["paragraphs"]:
            document.text.addElement(t.P(text=paragraph))
    document.save(path)


def epub(b, nav=True, ncx=False, headings=True, one_file=False, reverse_names=False, extras=True):
    """An EPUB of one of the shapes that books have."""
    files, items, spine, lines, points = [], [], [], [], []
    pieces = b["pieces"]
    if one_file:
        body = "".join(
            f'<div id="p{n}">' + (f"<h2>{escape(p['title'])}</h2>" if headings else "")
            + "".join(f"<p>{escape(t)}</p>" for t in p["paragraphs"]) + "</div>"
            for n, p in enumerate(pieces)
        )
        files.append(("all.xhtml", body))
    links, section = [], None
    for n, p in enumerate(pieces):
        name = f"{chr(ord('z') - n)}.xhtml" if reverse_names else f"c{n:02}.xhtml"
        link = f"all.xhtml#p{n}" if one_file else name
        links.append((p["section"], p["title"], link))
        if not one_file:
            heading = f"<h1>{escape(p['title'])}</h1>" if headings else ""
            files.append((name, heading + "".join(f"<p>{escape(t)}</p>" for t in p["paragraphs"])))
    open_section = None
    for section, title, link in links:
        if section != open_section:
            if open_section:
                lines.append("</ol></li>")
            if section:
                lines.append(f'<li><a href="{link}">{section}</a><ol>')
        open_section = section
        lines.append(f'<li><a href="{link}">{escape(title)}</a></li>')
        points.append(f"<navPoint><navLabel><text>{escape(title)}</text></navLabel><content src=\"{link}\"/></navPoint>")
    if open_section:
        lines.append("</ol></li>")
    page = '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><head><title>x</title></head><body>{}</body></html>'
    for name, _ in files:
        items.append(f'<item id="i{name[:-6]}" href="{name}" media-type="application/xhtml+xml"/>')
        spine.append(f'<itemref idref="i{name[:-6]}"/>')
    if reverse_names:
        items.reverse()
    parts = [(f"OPS/{name}", page.format(body)) for name, body in files]
    attributes = ""
    if nav:
        items.append('<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>')
        parts.append(("OPS/nav.xhtml", page.format(f'<nav epub:type="toc"><h2>Contents</h2><ol>{"".join(lines)}</ol></nav>')))
    if ncx:
        items.append('<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>')
        attributes = ' toc="ncx"'
        parts.append(("OPS/toc.ncx", f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/" version="2005-1"><navMap>{"".join(points)}</navMap></ncx>'))
    opf = (
        f'<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="{"3.0" if nav else "2.0"}" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">urn:litink:test</dc:identifier>'
        f"<dc:title>{escape(b['title'])}</dc:title><dc:creator>{b['author']}</dc:creator><dc:language>{b['lang']}</dc:language></metadata>"
        f'<manifest>{"".join(items)}</manifest><spine{attributes}>{"".join(spine)}</spine></package>'
    )
    container = '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    return archive([("mimetype", "application/epub+zip"), ("META-INF/container.xml", container), ("OPS/book.opf", opf), *parts])


def archive(parts):
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in parts:
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            out.writestr(info, data if isinstance(data, bytes) else data.encode())
    return buffer.getvalue()


def typst_pdf(b, head=True):
    import typst

    def text(value):
        return "".join("\\" + c if c in "#*_`$<>@[]\\=-+/~" else c for c in value)

    out = [
        f'#set document(title: "{b["title"]}", author: "{b["author"]}")\n#set text(lang: "{b["lang"]}", size: 10pt)\n'
        "#set par(justify: true, first-line-indent: 1em)\n"
        + (f'#set page(width: 120mm, height: 180mm, header: align(center)[{b["title"].upper()}], numbering: "1")\n' if head else "#set page(width: 120mm, height: 180mm)\n")
        + f'#align(center)[#text(22pt)[{b["title"]}]\n\n{b["author"]}]\n#pagebreak()\n#outline()\n#pagebreak()\n'
    ]
    section = None
    for p in b["pieces"]:
        if p["section"] != section and p["section"]:
            out.append(f"= {text(p['section'])}\n")
        section = p["section"]
        out.append(f"{'==' if p['section'] else '='} {text(p['title'])}\n\n")
        out.extend(text(t) + "\n\n" for t in p["paragraphs"])
    source = HERE / "book.typ"
    source.write_text("".join(out), encoding="utf-8")
    data = typst.compile(str(source))
    source.unlink()
    return data


def weasy_pdf(b, columns=False):
    import weasyprint

    css = (
        "@page { size: 120mm 180mm; margin: 18mm; @top-center { content: 'The running head'; font-size: 8pt }"
        " @bottom-center { content: counter(page); font-size: 8pt } } body { font-family: serif; font-size: 10pt;"
        " hyphens: auto; text-align: justify } h2 { break-before: page; font-size: 16pt } p { margin: 0; text-indent: 1em }"
        + (" body { column-count: 2 } @page { size: 210mm 297mm }" if columns else "")
    )
    return weasyprint.HTML(string=html(b, headed(b), css)).write_pdf()


def reportlab_pdf(b):
    """No outline, no size: chapter titles in capitals of the same font, as a typewriter has them."""
    import io

    from reportlab.lib.pagesizes import A5
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer

    body = ParagraphStyle("b", fontName="Times-Roman", fontSize=10, leading=12, firstLineIndent=12, alignment=4)
    head = ParagraphStyle("h", fontName="Times-Roman", fontSize=10, leading=12, alignment=1)
    story = []
    for p in b["pieces"]:
        story += [PageBreak(), Spacer(1, 40), Paragraph(p["title"].upper(), head), Spacer(1, 24)]
        story += [Paragraph(escape(t), body) for t in p["paragraphs"]]

    def number(canvas, document):
        canvas.setFont("Times-Roman", 9)
        canvas.drawCentredString(210, 30, str(document.page))

    buffer = io.BytesIO()
    document = SimpleDocTemplate(buffer, pagesize=A5, title=b["title"], author=b["author"], invariant=1)
    document.build(story, onFirstPage=number, onLaterPages=number)
    return buffer.getvalue()


def groff_pdf(b):
    out = [f".TL\n{b['title']}\n.AU\n{b['author']}\n"]
    for p in b["pieces"]:
        out.append(f".bp\n.SH 1\n{p['title']}\n")
        out.extend(f".PP\n{t}\n" for t in p["paragraphs"])
    source = "".join(out).replace("“", "\\[lq]").replace("”", "\\[rq]").replace("’", "'")
    return subprocess.run(["groff", "-ms", "-Tpdf", "-k"], input=source.encode(), capture_output=True, check=True).stdout


def main():
    # plain text
    save("text-contents", "txt", plain(NOVEL, contents=True), NOVEL, contents="Contents")
    save("text-worded-capitals", "txt", plain(WORDED, upper=True), WORDED)
    save("text-parts", "txt", plain(PARTS), PARTS)
    save("text-roman", "txt", plain(ROMAN), ROMAN)
    save("text-indented-utf16", "txt", plain(NOVEL, indent=True).encode("utf-16"), NOVEL)
    encodings = {"de": "latin-1", "fr": "cp1252", "ru": "koi8-r", "ja": "shift_jis", "zh": "gb18030", "he": "cp1255", "ar": "cp1256"}
    for lang, titles in LANGUAGES.items():
        b = book(lang, kinded(titles))
        text = plain(b, page=False)
        data = text.encode(encodings.get(lang, "utf-8"), "replace") if lang not in ("de", "fr") else text.encode()
        save(f"text-{lang}", "txt", data, b, title=False, author=False)
        save(f"epub-{lang}", "epub", epub(b), b)
        save(f"html-{lang}", "html", html(b, headed(b, title=False)), b)
    # EPUB
    save("epub-nav", "epub", epub(NOVEL), NOVEL)
    save("epub-ncx", "epub", epub(NOVEL, nav=False, ncx=True), NOVEL)
    save("epub-no-contents", "epub", epub(NOVEL, nav=False), NOVEL)
    save("epub-one-file", "epub", epub(NOVEL, one_file=True), NOVEL)
    save("epub-one-file-no-headings", "epub", epub(NOVEL, one_file=True, headings=False), NOVEL)
    save("epub-parts", "epub", epub(PARTS), PARTS)
    save("epub-names-reversed", "epub", epub(NAMED, reverse_names=True), NAMED)
    save("epub-roman", "epub", epub(ROMAN), ROMAN)
    save("epub-in-zip", "zip", archive([("book.epub", epub(NAMED))]), NAMED)
    # pages
    save("html-novel", "html", html(NOVEL, headed(NOVEL)), NOVEL)
    save("html-parts", "html", html(PARTS, headed(PARTS, "h2", "h3").replace("<h3>Preface", "<h2>Preface").replace("<h3>Afterword", "<h2>Afterword")), PARTS)
    save("html-flat", "html", html(WORDED, headed(WORDED, title=False).replace("<h2>", "<p><b>").replace("</h2>", "</b></p>")), WORDED)
    pages = [(f"book/part{n + 1}.html", html(NAMED, f"<h1>{p['title']}</h1>" + "".join(f"<p>{t}</p>" for t in p["paragraphs"]))) for n, p in enumerate(NAMED["pieces"])]
    save("html-pages", "zip", archive(pages), NAMED)
    # the others
    save("markdown-novel", "md", markdown(NOVEL), NOVEL)
    save("markdown-parts", "md", markdown(PARTS), PARTS)
    save("fb2-novel", "fb2", fb2(NOVEL), NOVEL)
    save("fb2-parts", "fb2", fb2(PARTS), PARTS)
    save("fb2-in-zip", "fb2.zip", archive([("book.fb2", fb2(NAMED))]), NAMED)
    save("rtf-novel", "rtf", rtf(NOVEL), NOVEL)
    save("rtf-flat", "rtf", rtf(WORDED, styled=False), WORDED)
    for name, b, styled in [("novel", NOVEL, True), ("parts", {**PARTS, "deep": True}, True), ("flat", WORDED, False), ("named", NAMED, True)]:
        docx(HERE / f"docx-{name}.docx", b, styled)
        expect(f"docx-{name}", b)
    for name, b in [("novel", NOVEL), ("parts", PARTS)]:
        odt(HERE / f"odt-{name}.odt", b)
        expect(f"odt-{name}", b)
    # PDF
    save("pdf-typst", "pdf", typst_pdf(NOVEL), NOVEL, contents="Contents")
    save("pdf-typst-parts", "pdf", typst_pdf(PARTS), PARTS, contents="Contents")
    save("pdf-typst-ru", "pdf", typst_pdf(book("ru", kinded(LANGUAGES["ru"]))), book("ru", kinded(LANGUAGES["ru"])), contents="Содержание")
    save("pdf-weasyprint", "pdf", weasy_pdf(NOVEL), NOVEL)
    save("pdf-weasyprint-columns", "pdf", weasy_pdf(NAMED, columns=True), NAMED)
    save("pdf-reportlab-no-outline", "pdf", reportlab_pdf(WORDED), WORDED)
    save("pdf-groff", "pdf", groff_pdf(NOVEL), NOVEL, title=False, author=False)


if __name__ == "__main__":
    main()
