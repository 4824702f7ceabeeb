"""The peers of bench/unet.ts, with one thread per core: the same UNets in diffusers with fused attention, and with an edit's controller as in the
authors' code; and, if installed, in OpenVINO and ONNX Runtime, without an edit."""
import importlib.metadata
import os
import sys
import tempfile

import torch

from control import control
from measure import in_turns, random_unet, threads

models = [("embedded", "weights/emoji-world/unet/config.json", 32, 10)]
if "--full" in sys.argv:
    models.append(("SD 1.4", "bench/unetSd14.json", 77, 60))


class Prediction(torch.nn.Module):
    """The UNet as a function of three tensors, as the other runtimes need it."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, latents, timestep, context):
        return self.unet(latents, timestep, context, return_dict=False)[0]


def in_openvino(unet, inputs):
    import openvino

    model = openvino.convert_model(Prediction(unet), example_input=inputs)
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads})
    arrays = [tensor.numpy() for tensor in inputs]
    return lambda: compiled(arrays)


def in_onnx_runtime(unet, inputs, folder):
    import onnx  # noqa: F401, the exporter needs it
    import onnxruntime

    names = ["latents", "timestep", "context"]
    path = os.path.join(folder, "unet.onnx")
    torch.onnx.export(Prediction(unet), inputs, path, input_names=names, opset_version=17, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    feed = {name: tensor.numpy() for name, tensor in zip(names, inputs)}
    return lambda: session.run(None, feed)


with torch.no_grad():
    for name, file, tokens, seconds in models:
        unet = random_unet(file)
        size = unet.config.sample_size
        latents = torch.randn(4, unet.config.in_channels, size, size)
        context = torch.randn(4, tokens, unet.config.cross_attention_dim)
        in_turns({f"UNet step, {name}, 4 rows": lambda: unet(latents, 981, context)}, seconds)
        controller = control(unet, tokens)

        def edit():
            unet(latents, 981, context)
            controller.end_of_step()

        in_turns({f"edit step, {name}, 4 rows": edit}, seconds)

        inputs = (latents, torch.tensor(981), context)
        plain = random_unet(file)  # Without the controller.
        del unet
        with tempfile.TemporaryDirectory() as folder:
            for package, made in (("openvino", lambda: in_openvino(plain, inputs)), ("onnxruntime", lambda: in_onnx_runtime(plain, inputs, folder))):
                try:
                    step = made()
                except ImportError as error:
                    print(f"{package}: {error}", file=sys.stderr)
                    continue
                in_turns({f"UNet step, {name}, 4 rows": step}, seconds, backend=f"{package} {importlib.metadata.version(package)}")
