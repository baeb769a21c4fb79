"""The few words a book prints by itself, in the book's language.

Owns these words. A book in a language that is missing here gets the English ones; `Terms.language` says which they are.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Terms:
    """What is printed. `chapter` has a {} for its number; `language` is that of the words."""

    language: str
    chapter: str
    contents: str
    notes: str
    cover: str
    outline: str
    characters: str
    colophon: str
    draft: str


_TABLE = """
en | Chapter {}  | Contents           | Notes       | Cover      | Outline    | Characters  | Colophon   | Draft
de | Kapitel {}  | Inhalt             | Anmerkungen | Umschlag   | Gliederung | Figuren     | Impressum  | Entwurf
fr | Chapitre {} | Table des matières | Notes       | Couverture | Plan       | Personnages | Colophon   | Brouillon
es | Capítulo {} | Índice             | Notas       | Cubierta   | Esquema    | Personajes  | Colofón    | Borrador
pt | Capítulo {} | Índice             | Notas       | Capa       | Esboço     | Personagens | Colofão    | Rascunho
it | Capitolo {} | Indice             | Note        | Copertina  | Schema     | Personaggi  | Colophon   | Bozza
nl | Hoofdstuk {} | Inhoud            | Noten       | Omslag     | Opzet      | Personages  | Colofon    | Concept
sv | Kapitel {}  | Innehåll           | Noter       | Omslag     | Disposition | Personer   | Kolofon    | Utkast
pl | Rozdział {} | Spis treści        | Przypisy    | Okładka    | Konspekt   | Postacie    | Kolofon    | Szkic
ru | Глава {}    | Содержание         | Примечания  | Обложка    | План       | Персонажи   | Об издании | Черновик
uk | Розділ {}   | Зміст              | Примітки    | Обкладинка | План       | Персонажі   | Про видання | Чернетка
el | Κεφάλαιο {} | Περιεχόμενα        | Σημειώσεις  | Εξώφυλλο   | Διάγραμμα  | Χαρακτήρες  | Κολοφώνας  | Προσχέδιο
ar | الفصل {}    | المحتويات          | الحواشي     | الغلاف     | المخطط     | الشخصيات    | بيانات النشر | مسودة
he | פרק {}      | תוכן העניינים      | הערות       | כריכה      | מתווה      | דמויות      | קולופון    | טיוטה
ja | 第{}章      | 目次               | 注          | 表紙       | 概要       | 登場人物    | 奥付       | 草稿
zh | 第{}章      | 目录               | 注释        | 封面       | 大纲       | 人物        | 版权页     | 草稿
ko | 제{}장      | 차례               | 주석        | 표지       | 개요       | 등장인물    | 판권       | 초고
"""
_TERMS = {
    row[0]: Terms(*row) for row in ([cell.strip() for cell in line.split("|")] for line in _TABLE.split("\n") if line)
}


def terms(language: str) -> Terms:
    """The words for a book with this language tag."""
    return _TERMS.get(language.partition("-")[0], _TERMS["en"])
