// The library's pure functions that the page itself uses. All else of it runs in the worker (engine/), so that tfjs is not loaded twice.
export type { HeatMap } from '../../src/image/heatMap';
export { heatColour, overlayHeat } from '../../src/image/heatMap';
export { type Band, layOut, type Panel, type TextRun } from '../../src/image/layout';
export { odditiesOf } from '../../src/image/oddities';
export { type Painter, paint, widthOf } from '../../src/image/paint';
export { fitPicture, place } from '../../src/image/placement';
