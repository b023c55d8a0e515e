-- Something to look at in a database for development: the example book of this project, published,
-- and an account to sign in with where accounts are on: reader@example.com, `read me a book`.
-- Never for a server that others reach: everybody knows this password.
--
-- Safe to repeat; what was changed since stays. Chapters are all that audiobooks are made of; the
-- book's original file is not among them. A test holds this file against the import of
-- examples/books/the-lamplighters-map.txt.

INSERT INTO public.accounts SELECT * FROM jsonb_populate_record(null::public.accounts, $seed$
{
  "email": "reader@example.com",
  "failures": 0,
  "id": "69c7f0f0-0838-8daa-a797-1da98b408ed1",
  "owner": "6c697469-6e6b-8000-8000-000000000001",
  "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$6QFEijsYgez/1ZMSE7lu0Q$p1cVOFCHyLoaw3nhvTozbKMQ9FCL4ZwsuJF7wmyw9WE",
  "state": "active"
}
$seed$) ON CONFLICT (id) DO NOTHING;

INSERT INTO public.books SELECT * FROM jsonb_populate_record(null::public.books, $seed$
{
  "authors": [
    "the litink authors"
  ],
  "chapter_count": 6,
  "char_count": 7302,
  "content_hash": "a783d9501b4ca0acfdb840df542e00c822dc8af220d3a5ecd1d66dde00374cf4",
  "cover_key": null,
  "decisions": [
    {
      "code": "format",
      "confidence": 1.0,
      "message": "the file was read as text, by its content",
      "method": "content"
    },
    {
      "code": "title",
      "confidence": 0.6,
      "message": "the title was taken from the first lines",
      "method": "title_page"
    },
    {
      "code": "authors",
      "confidence": 0.6,
      "message": "the authors were taken from the first lines",
      "method": "title_page"
    },
    {
      "code": "language",
      "confidence": 0.95,
      "message": "the language was recognised from the text",
      "method": "detected"
    },
    {
      "code": "chapters",
      "confidence": 0.94,
      "message": "3 chapters and 3 pieces of front and back matter: lines that look like headings were taken for them",
      "method": "heading_lines"
    }
  ],
  "description": null,
  "file_bytes": 7789,
  "file_key": "users/6c697469-6e6b-8000-8000-000000000001/books/1478db8f-0cfb-8d02-9029-ad74d9287525/original-the-lamplighters-map.txt",
  "file_name": "the-lamplighters-map.txt",
  "format": "text",
  "id": "1478db8f-0cfb-8d02-9029-ad74d9287525",
  "identifier": null,
  "identifiers": [],
  "language": "en",
  "owner": "6c697469-6e6b-8000-8000-000000000001",
  "published": null,
  "publisher": null,
  "series": null,
  "state": "ready",
  "title": "THE LAMPLIGHTER’S MAP",
  "visibility": "published",
  "warnings": []
}
$seed$) ON CONFLICT (id) DO NOTHING;

INSERT INTO public.chapters SELECT * FROM jsonb_populate_record(null::public.chapters, $seed$
{
  "blocks": [
    {
      "anchor": {
        "offset": 0
      },
      "kind": "paragraph",
      "text": "THE LAMPLIGHTER’S MAP"
    },
    {
      "anchor": {
        "offset": 25
      },
      "kind": "paragraph",
      "text": "A tale in three chapters"
    },
    {
      "anchor": {
        "offset": 51
      },
      "kind": "paragraph",
      "text": "by the litink authors"
    }
  ],
  "book_id": "1478db8f-0cfb-8d02-9029-ad74d9287525",
  "char_count": 66,
  "id": "b461e72e-5328-8c67-9809-ed18257b8a76",
  "kind": "front_matter",
  "number": null,
  "owner": "6c697469-6e6b-8000-8000-000000000001",
  "position": 0,
  "section": null,
  "title": null
}
$seed$) ON CONFLICT (id) DO NOTHING;

INSERT INTO public.chapters SELECT * FROM jsonb_populate_record(null::public.chapters, $seed$
{
  "blocks": [
    {
      "anchor": {
        "offset": 88
      },
      "kind": "paragraph",
      "text": "For everyone who has ever left a light on."
    }
  ],
  "book_id": "1478db8f-0cfb-8d02-9029-ad74d9287525",
  "char_count": 42,
  "id": "698843e9-a3b0-8b08-bef5-50f496ae2058",
  "kind": "front_matter",
  "number": null,
  "owner": "6c697469-6e6b-8000-8000-000000000001",
  "position": 1,
  "section": null,
  "title": "DEDICATION"
}
$seed$) ON CONFLICT (id) DO NOTHING;

INSERT INTO public.chapters SELECT * FROM jsonb_populate_record(null::public.chapters, $seed$
{
  "blocks": [
    {
      "anchor": {
        "offset": 173
      },
      "kind": "paragraph",
      "text": "In the town of Marrow there were two hundred and eleven lamps, and old Odile Brand had lit every one of them every evening for forty years."
    },
    {
      "anchor": {
        "offset": 314
      },
      "kind": "paragraph",
      "text": "She knew them as a shepherd knows sheep. There was the sulky lamp by the fish market, which hissed; there was the tall lamp outside the bank, which thought well of itself; and there were the twins on the bridge, which would not burn unless they were lit together, so that Odile had to stretch out both her arms and look, for a moment, like a woman about to fly."
    },
    {
      "anchor": {
        "offset": 677
      },
      "kind": "paragraph",
      "text": "On the first evening of October she was given an apprentice. He was eleven years old, he had one red sock and one grey one, and his name was Tam."
    },
    {
      "anchor": {
        "offset": 824
      },
      "kind": "paragraph",
      "text": "“Can you climb?” asked Odile."
    },
    {
      "anchor": {
        "offset": 859
      },
      "kind": "paragraph",
      "text": "“Like a cat,” said Tam."
    },
    {
      "anchor": {
        "offset": 888
      },
      "kind": "paragraph",
      "text": "“Can you count?”"
    },
    {
      "anchor": {
        "offset": 910
      },
      "kind": "paragraph",
      "text": "“Like a clerk,” said Tam. “Two hundred and eleven. I counted them on the way here.”"
    },
    {
      "anchor": {
        "offset": 1003
      },
      "kind": "paragraph",
      "text": "Odile looked at him for a while, and something happened at the corner of her mouth. “Then you have counted wrong,” she said, “for so did I, in my first year. Come along. Bring the ladder, and mind the baker’s cat.”"
    },
    {
      "anchor": {
        "offset": 1229
      },
      "kind": "paragraph",
      "text": "They went up Cooper Street and down Needle Hill. Tam carried the ladder and Odile carried the flame, in a little brass case with a door like a bird’s. At each post the boy climbed, and turned the key, and the old woman reached up with her pole, and the dark drew back a step, as if it had been caught at something."
    },
    {
      "anchor": {
        "offset": 1547
      },
      "kind": "paragraph",
      "text": "“Two hundred and nine,” Tam counted. “Two hundred and ten. Two hundred and eleven! That is all of them, and my feet are glad.”"
    },
    {
      "anchor": {
        "offset": 1683
      },
      "kind": "paragraph",
      "text": "“Is it?” said Odile. She had stopped where Thimble Lane goes in between the rope-maker’s and the wall. It was so narrow that two people could not pass in it without becoming friends. At the far end, where there was nothing but brick, stood a lamp that was very small and very old. Its glass was black."
    },
    {
      "anchor": {
        "offset": 1992
      },
      "kind": "paragraph",
      "text": "“It is broken,” said Tam."
    },
    {
      "anchor": {
        "offset": 2023
      },
      "kind": "paragraph",
      "text": "“It is not broken,” said Odile. “It has never been lit. In forty years I have put a flame to it every night, and every night it has gone out.”"
    },
    {
      "anchor": {
        "offset": 2175
      },
      "kind": "paragraph",
      "text": "“Then why do you try?”"
    },
    {
      "anchor": {
        "offset": 2203
      },
      "kind": "paragraph",
      "text": "The old woman shut the little brass door. “Because,” she said, “it is on the map.”"
    }
  ],
  "book_id": "1478db8f-0cfb-8d02-9029-ad74d9287525",
  "char_count": 2022,
  "id": "94ee6e38-1a9f-8778-9988-a7d791beda9b",
  "kind": "chapter",
  "number": 1,
  "owner": "6c697469-6e6b-8000-8000-000000000001",
  "position": 2,
  "section": null,
  "title": "CHAPTER ONE: The Lamp in Thimble Lane"
}
$seed$) ON CONFLICT (id) DO NOTHING;

INSERT INTO public.chapters SELECT * FROM jsonb_populate_record(null::public.chapters, $seed$
{
  "blocks": [
    {
      "anchor": {
        "offset": 2338
      },
      "kind": "paragraph",
      "text": "The map hung in the town hall, behind the desk of Mrs. Quill, who kept the keys, the stamps and the opinions of Marrow. She was thin and straight and wore her spectacles on a chain, and it was said that she had never in her life been surprised."
    },
    {
      "anchor": {
        "offset": 2584
      },
      "kind": "paragraph",
      "text": "“You may look,” said Mrs. Quill, “but you may not touch, you may not breathe on it, and you may certainly not eat that apple.”"
    },
    {
      "anchor": {
        "offset": 2720
      },
      "kind": "paragraph",
      "text": "Tam put the apple in his pocket."
    },
    {
      "anchor": {
        "offset": 2754
      },
      "kind": "paragraph",
      "text": "It was a beautiful map. Each street was a line of brown ink, and each lamp was a dot of gold, and beside the dots, in letters so small that they might have been written by a gnat, stood names."
    },
    {
      "anchor": {
        "offset": 2948
      },
      "kind": "paragraph",
      "text": "“They are people,” said Tam. “Here is Anna Rook. Here is Peter Low, ferryman. Why do the lamps have people’s names?”"
    },
    {
      "anchor": {
        "offset": 3076
      },
      "kind": "paragraph",
      "text": "“Do you not teach them anything, Odile?” asked Mrs. Quill. She took her spectacles off and polished them, although they were clean. “When this town was built there was no money for lamps. So each family gave one. It was given for somebody who was away: for a son at sea, for a sister who had gone to the city. A lamp was lit so that they could find their way home. That was the rule. One lamp, one name.”"
    },
    {
      "anchor": {
        "offset": 3490
      },
      "kind": "paragraph",
      "text": "“And when they came home?” asked Tam."
    },
    {
      "anchor": {
        "offset": 3533
      },
      "kind": "paragraph",
      "text": "“Then it went on burning, for other people’s sons,” said Odile. “That is how a town gets light.”"
    },
    {
      "anchor": {
        "offset": 3641
      },
      "kind": "paragraph",
      "text": "Tam bent down until his nose was a finger’s breadth from the paper. He did not breathe. He found Cooper Street, and Needle Hill, and the place where Thimble Lane went in like the eye of its needle. There was the golden dot. There was no name beside it."
    },
    {
      "anchor": {
        "offset": 3897
      },
      "kind": "paragraph",
      "text": "“Somebody rubbed it out,” he said."
    },
    {
      "anchor": {
        "offset": 3937
      },
      "kind": "paragraph",
      "text": "“Nonsense!” said Mrs. Quill. “Nobody may touch the map. There is a notice.”"
    },
    {
      "anchor": {
        "offset": 4022
      },
      "kind": "paragraph",
      "spans": [
        {
          "end": 54,
          "start": 51,
          "style": "emphasis"
        }
      ],
      "text": "“But there is a smudge. Look! It says… it says Wil, and then nothing.”"
    },
    {
      "anchor": {
        "offset": 4102
      },
      "kind": "paragraph",
      "text": "Mrs. Quill put her spectacles on again, quite slowly. She looked for a long time. Then she sat down on the chair that was kept for visitors, and on which nobody had ever seen her sit."
    },
    {
      "anchor": {
        "offset": 4287
      },
      "kind": "paragraph",
      "text": "“Wilhelmina,” she said. “I was six years old. She was my sister, and she went up the river with the fiddlers, and she did not say goodbye to me. So I licked my thumb.” She held it up and regarded it as if it were still black. “I had forgotten. I have been cross about it for so long that I had quite forgotten what it was about.”"
    },
    {
      "anchor": {
        "offset": 4630
      },
      "kind": "paragraph",
      "text": "Nobody said anything. Outside, a cart went by."
    },
    {
      "anchor": {
        "offset": 4678
      },
      "kind": "paragraph",
      "text": "“Mrs. Quill,” said Tam at last, “would you like half of my apple?”"
    },
    {
      "anchor": {
        "offset": 4754
      },
      "kind": "paragraph",
      "text": "And Mrs. Quill, who had never in her life been surprised, said that she would."
    }
  ],
  "book_id": "1478db8f-0cfb-8d02-9029-ad74d9287525",
  "char_count": 2380,
  "id": "616b73ee-cd71-82bb-bdf9-fdb6f3c026a9",
  "kind": "chapter",
  "number": 2,
  "owner": "6c697469-6e6b-8000-8000-000000000001",
  "position": 3,
  "section": null,
  "title": "CHAPTER TWO: What Mrs. Quill Remembered"
}
$seed$) ON CONFLICT (id) DO NOTHING;

INSERT INTO public.chapters SELECT * FROM jsonb_populate_record(null::public.chapters, $seed$
{
  "blocks": [
    {
      "anchor": {
        "offset": 4875
      },
      "kind": "paragraph",
      "text": "It rained that evening. The rain came down on Marrow as though somebody had been saving it up, and the gutters talked, and the lamps, when they were lit, each wore a ring like a saint."
    },
    {
      "anchor": {
        "offset": 5061
      },
      "kind": "paragraph",
      "text": "“We need not do the last one,” said Odile at the corner of Thimble Lane. “Not tonight. The ladder is slippery, and you have only the one pair of socks.”"
    },
    {
      "anchor": {
        "offset": 5223
      },
      "kind": "paragraph",
      "text": "“I have half of two pairs,” said Tam. “Wait a little. Please.”"
    },
    {
      "anchor": {
        "offset": 5295
      },
      "kind": "paragraph",
      "text": "They waited. The water ran off Odile’s hat, before and behind. The clock of the town hall struck nine, and said so again a minute later, as it always did, in case somebody had missed it."
    },
    {
      "anchor": {
        "offset": 5485
      },
      "kind": "scene_break",
      "text": "* * *"
    },
    {
      "anchor": {
        "offset": 5492
      },
      "kind": "paragraph",
      "text": "Then there were steps in the lane, and an umbrella, and under the umbrella was Mrs. Quill. She was carrying the map. She had taken it off its nail and out of its frame, and rolled it up, and brought it through the rain beneath her coat, and there was no notice anywhere that allowed it."
    },
    {
      "anchor": {
        "offset": 5780
      },
      "kind": "paragraph",
      "text": "“I have my pen,” she said, “and I have the gold ink. What I do not have is a dry place to write on.”"
    },
    {
      "anchor": {
        "offset": 5890
      },
      "kind": "paragraph",
      "text": "“You can have my back,” said Tam."
    },
    {
      "anchor": {
        "offset": 5929
      },
      "kind": "paragraph",
      "text": "So he bent down, with his hands on his knees, and Odile held the umbrella over all three of them, and Mrs. Quill spread the map on the boy’s shoulders and wrote. It tickled. She wrote slowly and with great care, and she spelled it out while she did so, as one does for a child, or for oneself."
    },
    {
      "anchor": {
        "offset": 6226
      },
      "kind": "paragraph",
      "text": "“Wilhelmina Quill,” she read. “There. And now, Odile Brand, if you please.”"
    },
    {
      "anchor": {
        "offset": 6311
      },
      "kind": "paragraph",
      "text": "Tam went up the ladder. He rubbed the black glass with his sleeve until it was merely grey, and he turned the key, which did not want to turn, and did. Odile opened the brass door. She reached up with her pole, as she had done on fourteen thousand evenings, and set the flame to the wick."
    },
    {
      "anchor": {
        "offset": 6601
      },
      "kind": "paragraph",
      "text": "It went out."
    },
    {
      "anchor": {
        "offset": 6615
      },
      "kind": "paragraph",
      "text": "“Oh,” said Tam."
    },
    {
      "anchor": {
        "offset": 6636
      },
      "kind": "paragraph",
      "text": "“Hush,” said Odile."
    },
    {
      "anchor": {
        "offset": 6661
      },
      "kind": "paragraph",
      "text": "There was a spark left, no larger than the dot on a map. It sat on the wick and seemed to think. Then it stood up; and the light came out of the little lamp and went along the wet wall, and over the rope-maker’s door, and down the whole of Thimble Lane to the street, where the baker’s cat was sitting, and made two green coins of its eyes."
    },
    {
      "anchor": {
        "offset": 7007
      },
      "kind": "paragraph",
      "text": "“Two hundred and twelve,” said Tam."
    },
    {
      "anchor": {
        "offset": 7048
      },
      "kind": "paragraph",
      "text": "Mrs. Quill did not say anything. She stood under the umbrella with ink on her thumb."
    },
    {
      "anchor": {
        "offset": 7134
      },
      "kind": "paragraph",
      "text": "I should like to tell you that someone came home by that light, the same night, with a fiddle on her back. It was not the same night. It was in the spring, and she had grown old and rather stout, and she stopped at the corner of the lane and said to a boy with a ladder, “Excuse me, but I believe that one is mine.”"
    },
    {
      "anchor": {
        "offset": 7455
      },
      "kind": "paragraph",
      "text": "“Yes,” said Tam. “You are expected.”"
    },
    {
      "anchor": {
        "offset": 7501
      },
      "kind": "paragraph",
      "text": "And he showed her the way."
    }
  ],
  "book_id": "1478db8f-0cfb-8d02-9029-ad74d9287525",
  "char_count": 2546,
  "id": "79f8e09c-470e-8b79-bcfa-50c45428b8ff",
  "kind": "chapter",
  "number": 3,
  "owner": "6c697469-6e6b-8000-8000-000000000001",
  "position": 4,
  "section": null,
  "title": "CHAPTER THREE: Two Hundred and Twelve"
}
$seed$) ON CONFLICT (id) DO NOTHING;

INSERT INTO public.chapters SELECT * FROM jsonb_populate_record(null::public.chapters, $seed$
{
  "blocks": [
    {
      "anchor": {
        "offset": 7542
      },
      "kind": "paragraph",
      "text": "This tale was written for litink, so that there is always one small book at hand to read, to narrate and to illustrate. It may be copied, changed and given away under the same licence as the program. If you make something of it, leave a light on."
    }
  ],
  "book_id": "1478db8f-0cfb-8d02-9029-ad74d9287525",
  "char_count": 246,
  "id": "6a43840d-c152-822e-956e-7dce4789f9bb",
  "kind": "back_matter",
  "number": null,
  "owner": "6c697469-6e6b-8000-8000-000000000001",
  "position": 5,
  "section": null,
  "title": "AFTERWORD"
}
$seed$) ON CONFLICT (id) DO NOTHING;
