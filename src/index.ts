/**
 * The core: runs wherever tfjs does, including in a browser. What needs Node (files, PNG, backends) is in
 * `prompt-to-prompt-tfjs/node`.
 *
 * @module prompt-to-prompt-tfjs
 */

export { StableDiffusionPipeline } from './pipeline';
export type { ControllerOptions, PipelineParts } from './pipeline';
export { AUTHORS_DEFAULTS, defaultsOf } from './defaults';
export type { Defaults, StatedDefaults } from './defaults';
export { Session } from './session/session';
export type { PredictOptions } from './session/session';
export type { GenerateOptions, Generation, RunOptions } from './options';
export type { SessionOptions } from './session/options';
export { MemoryError } from './session/memory';
export { NotFiniteError } from './finite';

// Attention: the layer, the controller interface, and the paper's controllers.
export { Attention } from './attention/attention';
export type { AttentionControl } from './attention/attend';
export type { AttentionOptions } from './attention/attention';
export type * from './attention/controller';
export { FixedContext } from './attention/context';
export type { Context, KeysAndValues } from './attention/context';
export { scaledDotProduct } from './attention/scaledDotProduct';
export { compose } from './attention/compose';
export type { Composed } from './attention/compose';
export { HookError } from './attention/hooks';
export { select } from './attention/select';
export type { SiteCall, Where } from './attention/select';
export { promptToPrompt } from './edits/prompt-to-prompt/promptToPrompt';
export type { PromptToPrompt, PromptToPromptOptions, WordPair } from './edits/prompt-to-prompt/promptToPrompt';
export { contextInjection } from './edits/prompt-to-prompt/contextInjection';
export { attentionRefine, attentionReplace, crossInjection } from './edits/prompt-to-prompt/crossInjection';
export type { EditOptions, ReplaceOptions } from './edits/prompt-to-prompt/crossInjection';
export { selfInjection } from './edits/prompt-to-prompt/selfInjection';
export type { SelfInjectionOptions } from './edits/prompt-to-prompt/selfInjection';
export { attentionReweight } from './edits/prompt-to-prompt/reweight';
export type { ReweightOptions } from './edits/prompt-to-prompt/reweight';
export { localBlend } from './edits/prompt-to-prompt/localBlend';
export type { LocalBlendOptions } from './edits/prompt-to-prompt/localBlend';
export { MASK_MODES, maskBlend } from './edits/prompt-to-prompt/givenMask';
export type { Mask, MaskMode } from './edits/prompt-to-prompt/givenMask';
export { attentionStore } from './attention/store';
export type { AttentionStore, MapOptions, StoredSite } from './attention/store';
export { alignedTokens, EDIT_KINDS, editKind, refinement, replacement } from './edits/prompt-to-prompt/alignment';
export type { AlignedToken, Alignment, EditKind, ReplacementRule } from './edits/prompt-to-prompt/alignment';
export type { Injection, StepRange, TargetRanges } from './edits/prompt-to-prompt/schedule';
export { mapEditKinds } from './edits/prompt-to-prompt/shares';
export type { Shares, SharesByKind } from './edits/prompt-to-prompt/shares';
export { conditionalRows, MissingRowError, replaceRows, rowOf, rowsOf, takeRow, targetRows } from './attention/rows';
export { layoutQueries, queriesOf } from './attention/grids';
export type { PromptRow } from './attention/rows';
export { tokensOf, wordsOf } from './text/words';
export type { PerWord, PromptWord, Span, Word } from './text/words';

// Recordings: a source's run saved to a file, for further edits.
export { Recording } from './recording/recording';
export type { RecordedStep } from './recording/recording';
export { RecordingError } from './recording/description';
export type { RecordedSettings, RecordingDescription } from './recording/description';
export type { TakenStep } from './session/companion';
export type { RecordedInversion, RecordOptions } from './recording/recorder';

// Inversion: the user's own pictures taken to noise, so that they can be edited.
export { Inversion, invert } from './invert';
export type { InvertOptions } from './invert';
export { INVERSIONS } from './inversion/names';
export type { InversionName } from './inversion/names';
export type { InversionMethod, InversionProgress, InversionTask, Inverted } from './inversion/method';
export { Trajectory } from './inversion/trajectory';
export { sourceOnTrajectory } from './inversion/direct';
export { nullTextOptimization } from './inversion/nullText';
export type { NullTextOptions, NullTextStep } from './inversion/nullText';
export { ProximalGuidance } from './inversion/proximal';
export type { ProximalOptions } from './inversion/proximal';
export { EditFriendlyNoise } from './inversion/editFriendly';

// The networks.
export { Network } from './model/network';
export type { LatentDistribution, Networks, PromptEncoder, UNet, VAE } from './model/roles';
export { PixelSpace } from './model/pixelSpace';
export { UNet2DConditionModel } from './model/unet';
export { CLIPTextModel } from './model/clipText';
export { AutoencoderKL } from './model/autoencoderKL';
export { parseCLIPTextConfig, parseUNetConfig, parseVAEConfig } from './model/config';
export type { CLIPTextConfig, UNetConfig, VAEConfig } from './model/config';
export { ConfigError } from './config';
export type { ConfigFile } from './config';
export { Parameter, Scope } from './nn/scope';
export type { Layout } from './nn/scope';

// Backends.
export { prepareWasm } from './backend/wasmKernels';

// Sampling.
export { createSampler } from './sampler/createSampler';
export type { SamplerOptions } from './sampler/createSampler';
export type { InverseSampler, Sampler } from './sampler/sampler';
export { DDIMSampler } from './sampler/ddim';
export type { SamplerName } from './sampler/schedulers';
export { denoise } from './sampler/denoise';
export type { DenoisingOptions, DenoisingStep, Predict } from './sampler/denoise';
export { type AdaptiveProjectedOptions, adaptiveProjected } from './guidance/adaptiveProjected';
export { classifierFree } from './guidance/classifierFree';
export type { GuidanceOption } from './guidance/combined';
export type { Guidance, GuidanceCall, GuidanceRow, Predictions } from './guidance/guidance';
export { projectedAbove } from './guidance/projectedAbove';
export { randomLatents, TorchGenerator } from './sampler/noise';

// Pictures as pixels: resizing to a model's size and back, and masks.
export { FITS, fitMask, fitPicture, place, putBack, toMultiples } from './image/placement';
export type { Fit, Placement } from './image/placement';
export type { Box } from './image/layout';
export type { Size } from './image/resample';
export { changeMask, feather, toMask } from './image/mask';

// Metrics: how similar pictures are, and how well one matches a text.
export { CLIP_VITL14, CLIPScore } from './metrics/clipScore';
export type { CLIPConfig } from './metrics/clipScore';
export type { LayerConfig } from './model/transformerLayer';
export { LPIPS } from './metrics/lpips';
export { readMetricNetwork } from './metrics/read';
export { mse, psnr, ssim } from './metrics/similarity';
export { DINO_VITB8, StructureDistance } from './metrics/structure';
export type { ViTConfig } from './metrics/structure';

// Text and weights.
export { CLIPTokenizer } from './text/tokenizer';
export type { Piece, TokenizedPrompt, Tokenizer, TokenizerFiles } from './text/tokenizer';
export { CheckpointError } from './errors';
export type { Checkpoint, NetworkName, PartName } from './weights/checkpoint';
export { openDiffusersLayout } from './weights/diffusersLayout';
export type { DiffusersOptions } from './weights/diffusersLayout';
export type { Dtype } from './weights/dtype';
export type { FileTree } from './weights/fileTree';
export { loadParameters } from './weights/load';
export type { LoadOptions } from './weights/load';
export { withLoras } from './weights/lora';
export type { Lora } from './weights/lora';
export { SafetensorsFile } from './weights/safetensors';
export type { StoredTensor } from './weights/safetensors';
export { writeSafetensors } from './weights/safetensorsWriter';
export type { TensorToWrite } from './weights/safetensorsWriter';
export { openSingleFile } from './weights/singleFile';
export { BlobSink } from './weights/sink';
export type { ByteSink } from './weights/sink';
export { bytesOf } from './weights/source';
export type { BytePlace, ByteSource, TensorInfo, TensorSource } from './weights/source';

// Pictures, and where the words' attention is in them.
export { fromPictures, toPictures } from './image/picture';
export type { Picture } from './image/picture';
export { overlayHeat } from './image/heatMap';
export type { HeatMap } from './image/heatMap';
export { wordMaps } from './image/wordMaps';
