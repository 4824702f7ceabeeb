"""`python3 -m unittest`: tests of what the trainings rely on. Takes seconds."""

import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

import data
import runs
import tokenizer as clip_tokenizer
from attention_maps import inject
from edits import other_amounts, random_edit, swapped_adjectives
from encode import NOTHING, amounts, owners, small_masks, sources
from export import without_origin
from grow import grown as grown_from
from grow import halved
from judge import PIXELS
from networks import build_vae
from train_judge import in_cells, pixel_classes
from train_unet import strayed
from world import BACKGROUND, SIZE, Word, caption, is_held_out, random_scene, render, text, unseen_scene
from world import vocabulary as v
from world.scene import Scene, Thing
from world.sprites import sprite
from world.vocabulary import WORDS


def scenes(count: int, sampler=random_scene, seed: int = 0):
    rng = np.random.default_rng(seed)
    return [sampler(rng) for _ in range(count)]


class World(unittest.TestCase):
    def test_a_scene_always_gives_the_same_picture(self):
        for scene in scenes(5):
            self.assertTrue(np.array_equal(render(scene)[0], render(scene)[0]))

    def test_training_never_sees_what_is_held_out(self):
        self.assertFalse(any(map(is_held_out, scenes(2000))))
        self.assertTrue(all(map(is_held_out, scenes(20, unseen_scene))))

    def test_a_change_of_one_thing_changes_nothing_outside_its_masks(self):
        for scene in scenes(40):
            if len(scene.things) != 1 or scene.things[0].noun == "car" or scene.style:
                continue
            changed = scene.change(0, noun="car", colour="red", fluff=0.0, blossom=0.0, material=None)
            (before, mask), (after, changed_mask) = render(scene), render(changed)
            outside = (mask[0] + changed_mask[0]) == 0
            self.assertTrue(np.array_equal(before[outside], after[outside]))
            self.assertFalse(np.array_equal(before, after))

    def test_more_snow_is_more_white(self):
        scene = replace(
            scenes(1)[0], place="mountain", time="day", weather="clear", things=(), relation=None, style=None
        )
        white = [(render(replace(scene, snow=s))[0].min(-1) > 200).mean() for s in (0, 0.25, 0.5, 0.75, 1)]
        self.assertEqual(white, sorted(white))
        self.assertGreater(white[-1], white[0] + 0.2)

    def test_captions_say_only_words_of_the_world_and_own_the_right_things(self):
        rng = np.random.default_rng(1)
        for scene in scenes(300):
            for word in caption(scene, rng):
                self.assertIn(word.text, WORDS)
                if word.owner is not None and word.owner != BACKGROUND:
                    thing = scene.things[word.owner]
                    self.assertIn(word.text, (thing.noun, thing.colour, thing.material, "fluffy", "blossom"))

    def test_masks_are_of_what_can_be_seen(self):
        for scene in scenes(30):
            masks = render(scene)[1]
            self.assertEqual(masks.shape, (len(scene.things) + 1, SIZE, SIZE))
            self.assertLessEqual(masks.sum(0).max(), 1 + 1e-6)
            self.assertTrue(all(mask.sum() > 20 for mask in masks[:-1]))

    def test_things_decide_where_the_horizon_is_more_often_than_not(self):
        alone = [s for s in scenes(4000) if s.place != "street" and len(s.things) == 1]
        low, high = ([s.horizon for s in alone if s.things[0].noun == noun] for noun in ("cat", "fox"))
        self.assertLess(np.median(low) + 15, np.median(high))
        self.assertGreater(max(low), np.median(low) + 12)  # but not always

    def test_time_and_place_decide_on_which_side_things_are_more_often_than_not(self):
        beside = [s for s in scenes(4000) if len(s.things) == 1 and s.place == "meadow"]
        sunset, night = ([s.things[0].x for s in beside if s.time == time] for time in ("sunset", "night"))
        self.assertLess(np.median(sunset) + 10, np.median(night))
        self.assertGreater(max(sunset), np.median(sunset) + 20)  # but not always

    def test_a_cell_of_the_judge_is_what_most_of_its_pixels_are(self):
        for scene in scenes(40):
            masks = render(scene)[1]
            classes = pixel_classes(scene, (255 * masks).astype(np.uint8))
            for thing, mask in zip(scene.things, masks):
                if not thing.fluff and not thing.blossom:
                    is_thing = classes == PIXELS.index(thing.noun)
                    self.assertLess(((in_cells(mask) > 0.5) != is_thing).mean(), 0.02)

    def test_time_and_place_decide_how_large_things_are_more_often_than_not(self):
        alone = [s for s in scenes(4000) if len(s.things) == 1 and s.things[0].noun in v.ACTORS]
        night, sunset = ([s.things[0].size for s in alone if s.time == time] for time in ("night", "sunset"))
        self.assertGreater(np.median(night), np.median(sunset) + 8)
        self.assertGreater(max(sunset), np.median(sunset) + 10)  # but not always

    def test_a_style_changes_the_picture_and_leaves_every_thing_in_its_place(self):
        for scene in scenes(10):
            plain, masks = render(replace(scene, style=None))
            for style in v.STYLES:
                picture, same = render(replace(scene, style=style))
                self.assertTrue(np.array_equal(masks, same))
                self.assertGreater(np.abs(picture.astype(int) - plain).mean(), 4)

    def test_what_a_thing_is_made_of_takes_the_place_of_its_colours(self):
        for noun in v.NOUNS:
            golden, wooden = (np.asarray(sprite(noun, material=m), float) for m in v.MATERIALS)
            solid = golden[..., 3] > 200
            self.assertTrue((golden[solid][:, 0] >= golden[solid][:, 2]).all())  # never blue
            self.assertTrue(np.array_equal(golden[..., 3], wooden[..., 3]))
            self.assertGreater(golden[solid].mean(), wooden[solid].mean())


class Growing(unittest.TestCase):
    def test_a_grown_autoencoder_begins_with_the_small_one_s_latents_of_the_halved_picture(self):
        torch.manual_seed(0)
        small = build_vae(SIZE // 2).eval()
        vae = grown_from(small).eval()
        pixels = data.to_tensor(np.stack([render(scene)[0] for scene in scenes(4)]))
        with torch.no_grad():
            before = small.encode(halved(pixels)).latent_dist.mean
            after = vae.encode(pixels).latent_dist.mean
            self.assertLess((after - before).std(), 0.3 * before.std())
            self.assertEqual(vae.decode(before).sample.shape, pixels.shape)


class Tokens(unittest.TestCase):
    def test_each_word_is_one_token_and_other_text_falls_into_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = clip_tokenizer.load(Path(folder))
            for word in WORDS:
                self.assertEqual(len(tokenizer(word).input_ids), 3)
            self.assertEqual(
                tokenizer.decode(tokenizer("zebra").input_ids, skip_special_tokens=True), "zebra"
            )

    def test_tokens_own_the_masks_of_their_words(self):
        words = [Word("a"), Word("cat", 0), Word("in"), Word("a"), Word("meadow", BACKGROUND)]
        self.assertEqual(text(words), "a cat in a meadow")
        self.assertEqual(owners(words, 8), [NOTHING, NOTHING, 0, NOTHING, NOTHING, 2, NOTHING, NOTHING])
        masks = np.zeros((2, SIZE, SIZE), np.uint8)
        masks[0, : SIZE // 2] = masks[1, SIZE // 2 :] = 255
        small = small_masks(masks)
        self.assertTrue(small[0, :8].all() and small[2, 8:].all())
        self.assertFalse(small[0, 8:].any() or small[2, :8].any() or small[NOTHING].any())

    def test_graded_words_are_weighed_by_twice_their_amount(self):
        tree = Thing("tree", 32, 60, 30, blossom=0.25)
        scene = Scene("meadow", "day", "clear", 0.75, (tree,), None, False, 30, 0)
        words = [
            Word("blossom", 0),
            Word("tree", 0),
            Word("in"),
            *(Word(w, BACKGROUND) for w in ("snowy", "meadow")),
        ]
        self.assertEqual(amounts(scene, words, 8), [1, 0.5, 1, 1, 1.5, 1, 1, 1])


class Edits(unittest.TestCase):
    def test_an_edit_changes_what_its_words_say_and_nothing_else(self):
        rng = np.random.default_rng(2)
        for scene in scenes(200):
            words = caption(scene, rng)
            edit = random_edit(scene, words, rng)
            if edit is None:
                continue
            self.assertFalse(is_held_out(edit.scene))
            self.assertEqual(edit.scene.seed, scene.seed)
            self.assertEqual(edit.scene.horizon, scene.horizon)
            for word, source in zip(edit.words, edit.sources):
                if source is None or word != words[source]:
                    place, things = edit.scene.place, [thing.noun for thing in edit.scene.things]
                    styles = " ".join(v.STYLE_PHRASES.values()).split()
                    known = (*things, *v.COLOURS, v.PLACES[place], place, "at", edit.scene.time, "a", "an")
                    known = (*known, *v.MATERIALS, *styles)
                    self.assertIn(word.text, known)

    def test_amounts_change_under_the_same_words(self):
        rng = np.random.default_rng(3)
        pairs = [(scene, caption(scene, rng)) for scene in scenes(100)]
        changed = [(scene, words, edit) for scene, words in pairs for edit in other_amounts(scene, words)]
        self.assertGreater(len(changed), 50)
        for scene, words, edit in changed:
            self.assertEqual((edit.words, edit.sources), (words, list(range(len(words)))))
            before, after = (amounts(s, words, 32) for s in (scene, edit.scene))
            self.assertTrue(
                all(a == b for a, b, word in zip(before[1:], after[1:], words) if word.text not in v.GRADED)
            )

    def test_a_swapped_adjective_changes_its_own_thing_and_word(self):
        rng = np.random.default_rng(4)
        pairs = [(scene, caption(scene, rng)) for scene in scenes(200)]
        swapped = [
            (scene, words, edit) for scene, words in pairs for edit in swapped_adjectives(scene, words)
        ]
        self.assertGreater(len(swapped), 50)
        for scene, words, edit in swapped:
            ((old, new),) = [pair for pair in zip(words, edit.words, strict=True) if pair[0] != pair[1]]
            kind = v.COLOURS if old.text in v.COLOURS else v.MATERIALS
            self.assertIn(new.text, kind)
            self.assertEqual(new.owner, old.owner)
            for index, (before, after) in enumerate(zip(scene.things, edit.scene.things)):
                self.assertEqual(before != after, index == old.owner)
                said = (after.colour, after.material) if index == old.owner else ()
                self.assertTrue(index != old.owner or new.text in said)

    def test_an_edit_strays_only_where_its_source_is_injected_and_the_same(self):
        predicted = torch.zeros(4, 4, 16, 16)
        predicted[2:] = 1  # two sources, their edits
        batch = {"same": torch.ones(2, 1, 16, 16), "signal": torch.full((4,), 0.2)}
        injected = torch.tensor([[True], [False]])
        self.assertAlmostEqual(strayed(predicted, injected, batch).item(), 4, places=5)
        self.assertEqual(strayed(predicted, ~injected, batch | {"same": torch.zeros(2, 1, 16, 16)}).item(), 0)

    def test_tokens_of_an_edit_know_those_they_share(self):
        # start, "a", [new], "cat" -> start, "a", "cat", end; padding by position
        self.assertEqual(sources([0, None, 1], 8), [0, 1, -1, 2, 3, 5, 6, 7])
        self.assertEqual(sources(None, 4), [0, 1, 2, 3])

    def test_an_edit_takes_its_source_s_maps(self):
        maps = torch.rand(5, 2, 16, 3)  # a row without an edit, two sources, their edits
        edited = inject(maps, torch.tensor([[0, 0, -1], [-1, -1, -1]]))
        self.assertTrue(torch.equal(edited[:3], maps[:3]) and torch.equal(edited[4], maps[4]))
        self.assertTrue(torch.equal(edited[3, ..., 0], maps[1, ..., 0]))
        self.assertTrue(torch.equal(edited[3, ..., 1], maps[1, ..., 0]))
        self.assertTrue(torch.equal(edited[3, ..., 2], maps[3, ..., 2]))


class Export(unittest.TestCase):
    def test_a_config_does_not_say_where_its_network_was_loaded_from(self):
        with tempfile.TemporaryDirectory() as folder:
            build_vae().save_pretrained(folder)
            build_vae().from_pretrained(folder).save_pretrained(folder)
            config = Path(folder) / "config.json"
            self.assertIn("_name_or_path", config.read_text())
            without_origin(config)
            self.assertNotIn(folder, config.read_text())


class Runs(unittest.TestCase):
    def train(self, until: int) -> nn.Module:
        torch.manual_seed(0)
        network = nn.Linear(4, 1)
        run = runs.Run("line", {"line": network}, torch.optim.AdamW(network.parameters()), ema_decay=0.9)
        run.resume()
        while run.step < until:
            run.seed_step()
            run.update(network(torch.randn(8, 4)).pow(2).mean(), learning_rate=0.01)
        run.save()
        run.swap_ema()
        return network

    def test_a_killed_run_goes_on_as_if_nothing_had_happened(self):
        root = runs.ROOT
        self.addCleanup(setattr, runs, "ROOT", root)
        weights = []
        for stops in ([20], [7, 20]):
            with tempfile.TemporaryDirectory() as folder:
                runs.ROOT = Path(folder)
                for stop in stops:
                    network = self.train(stop)
                weights.append(network.weight.detach().clone())
        self.assertTrue(torch.equal(*weights))


if __name__ == "__main__":
    unittest.main()
