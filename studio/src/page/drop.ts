import { openModel, openPicture, recipe } from './state';

/** What is dropped on the page is opened in it, wherever it falls: left to itself, the browser would leave the page for it. */
export function acceptDrops(): void {
  addEventListener('dragover', (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  addEventListener('drop', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    const [file] = event.dataTransfer!.files;
    if (file.name.endsWith('.safetensors')) openModel(file);
    else if (recipe.value) void openPicture(file);
  });
}

/** Text that is dragged into a field is the browser's matter. */
function hasFiles({ dataTransfer }: DragEvent): boolean {
  return dataTransfer?.types.includes('Files') ?? false;
}
