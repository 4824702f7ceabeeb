// Extends typedoc for the documentation site: pages are named by their headings, keep the paths of their files and are
// sorted into chapters; and each code file that a page links to becomes a page.
import { readFileSync } from 'node:fs';
import { extname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Comment, CommentTag, Converter, DocumentReflection, KindRouter, PageEvent, ReflectionKind } from 'typedoc';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Chapters by the paths of files; the first match applies. */
const CHAPTERS = [
  [/^docs\//, 'Guides'],
  [/^notebooks\//, 'Notebooks'],
  [/^examples\//, 'Examples'],
  [/^src\//, 'Sources'],
  [/^/, 'Project'],
];

export function load({ converter, renderer }) {
  converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    document.name = headingOf(document);
    document.frontmatter.category = CHAPTERS.find(([place]) => place.test(fileOf(document)))[1];
  });
  converter.on(
    Converter.EVENT_RESOLVE_BEGIN,
    ({ project }) => {
      addLinkedCode(project, converter);
      for (const module of project.getReflectionsByKind(ReflectionKind.Module)) sortIntoFolders(module);
    },
    -100, // after README.md has been read, because of its links
  );
  renderer.defineRouter('files', FileRouter);
  renderer.on(PageEvent.END, (page) => {
    page.contents = page.contents?.replaceAll('href="~/', `href="${'../'.repeat(page.url.split('/').length - 1)}`);
  });
}

/** Pages have the paths of their files: `docs/cli.md` becomes `docs/cli.html`, `bench/README.md` `bench.html`. */
class FileRouter extends KindRouter {
  getIdealBaseName(reflection) {
    return reflection.isDocument()
      ? fileOf(reflection).replace(/(\/README)?(\.[^.]+)?$/, '')
      : super.getIdealBaseName(reflection);
  }
}

function fileOf(document) {
  return relative(ROOT, document.project.files.getReflectionPath(document));
}

function headingOf({ content }) {
  return /^# (.+)$/m.exec(content.map(({ text }) => text).join(''))[1].replaceAll('`', '');
}

/** Turns linked code files into pages, because a server would offer them for download. */
function addLinkedCode(project, converter) {
  for (const path of project.files.getMediaPaths().sort()) {
    const markdown = MARKDOWN[extname(path)]?.(readFileSync(path, 'utf8'), relative(ROOT, path));
    if (markdown === undefined) continue;
    const { content } = converter.parseRawComment({ text: markdown, fileName: path }, project.files);
    const document = new DocumentReflection('', project, content, {});
    project.addChild(document);
    project.registerReflection(document, undefined, path);
    converter.trigger(Converter.EVENT_CREATE_DOCUMENT, undefined, document);
  }
}

const fenced = (language, text) => `\`\`\`\`${language}\n${text}\n\`\`\`\``;

/** The Markdown for a file, by its extension. */
const MARKDOWN = {
  '.ts': (text, path) => `# ${path.replace('examples/', '')}\n\n${fenced('ts', text)}`,
  '.ipynb': (text) =>
    JSON.parse(text)
      .cells.map(({ cell_type: type, source }) =>
        type === 'markdown' ? source.join('') : fenced('ts', source.join('')),
      )
      .join('\n\n'),
  '': (text, path) => `# ${path}\n\n${fenced('text', text)}`,
};

/** Groups a module's exports by their folder in src. */
function sortIntoFolders(module) {
  for (const child of module.children ?? []) {
    const [, folder = 'pipeline'] = /^src\/(?:node\/|browser\/)?([^/]+)\//.exec(child.sources[0].fileName) ?? [];
    child.comment ??= new Comment();
    child.comment.blockTags.push(new CommentTag('@category', [{ kind: 'text', text: folder }]));
  }
}
