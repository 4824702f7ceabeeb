import { openModel, openPicture, recipe } from './state';

/** Opens files dropped anywhere on the page; by default, the browser would navigate away to them. */
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

/** Text dragged into a field is left to the browser. */
function hasFiles({ dataTransfer }: DragEvent): boolean {
  return dataTransfer?.types.includes('Files') ?? false;
}
