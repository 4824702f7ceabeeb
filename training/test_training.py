"""`python3 -m unittest`: what the trainings rely on. Takes seconds."""

import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

import runs
import tokenizer as clip_tokenizer
from encode import NOTHING, amounts, owners, small_masks
from world import BACKGROUND, SIZE, Word, caption, is_held_out, random_scene, render, text, unseen_scene
from world.scene import Scene, Thing
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
            if len(scene.things) != 1 or scene.things[0].noun == "car":
                continue
            changed = scene.change(0, noun="car", colour="red", fluff=0.0, blossom=0.0)
            (before, mask), (after, changed_mask) = render(scene), render(changed)
            outside = (mask[0] + changed_mask[0]) == 0
            self.assertTrue(np.array_equal(before[outside], after[outside]))
            self.assertFalse(np.array_equal(before, after))

    def test_more_snow_is_more_white(self):
        scene = replace(scenes(1)[0], place="mountain", time="day", weather="clear", things=(), relation=None)
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
                    self.assertIn(word.text, (thing.noun, thing.colour, "fluffy", "blossom"))

    def test_masks_are_of_what_can_be_seen(self):
        for scene in scenes(30):
            masks = render(scene)[1]
            self.assertEqual(masks.shape, (len(scene.things), SIZE, SIZE))
            self.assertLessEqual(masks.sum(0).max(initial=0), 1 + 1e-6)
            self.assertTrue(all(mask.sum() > 20 for mask in masks))


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
        masks = np.zeros((1, SIZE, SIZE), np.uint8)
        masks[0, :32] = 255
        small = small_masks(masks)
        self.assertTrue(small[0, :8].all() and small[2, 8:].all())
        self.assertFalse(small[0, 8:].any() or small[2, :8].any() or small[NOTHING].any())


    def test_graded_words_are_weighed_by_twice_their_amount(self):
        tree = Thing("tree", 32, 60, 30, blossom=0.25)
        scene = Scene("meadow", "day", "clear", 0.75, (tree,), None, False, 30, 0)
        words = [Word("blossom", 0), Word("tree", 0), Word("in"), Word("snowy", BACKGROUND), Word("meadow", BACKGROUND)]
        self.assertEqual(amounts(scene, words, 8), [1, 0.5, 1, 1, 1.5, 1, 1, 1])


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
