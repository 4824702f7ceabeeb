import { javascript } from '@codemirror/lang-javascript';
import { defaultHighlightStyle, HighlightStyle, syntaxHighlighting, syntaxTree } from '@codemirror/language';
import { type Diagnostic, lintGutter, setDiagnostics } from '@codemirror/lint';
import { tags } from '@lezer/highlight';
import { EditorView, minimalSetup } from 'codemirror';

/** A JavaScript editor. */
export interface CodeEditor {
  text(): string;
  replace(text: string): void;
  /** Marks an error at its line, counted from 1; undefined removes the mark. */
  mark(error?: { readonly line: number; readonly message: string }): void;
  /** The first line with a syntax error. */
  syntaxError(): number | undefined;
}

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword], color: 'var(--source)' },
  { tag: [tags.string, tags.number, tags.bool], color: 'var(--edit)' },
  { tag: tags.comment, color: 'var(--muted)', fontStyle: 'italic' },
]);

export function openEditor(parent: HTMLElement, text: string, label: string): CodeEditor {
  const view = new EditorView({
    parent,
    doc: text,
    extensions: [
      minimalSetup,
      javascript(),
      syntaxHighlighting(colours),
      syntaxHighlighting(defaultHighlightStyle, { fallback: true }),
      lintGutter(),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': label }),
    ],
  });
  const lineAt = (position: number): number => view.state.doc.lineAt(position).number;
  return {
    text: () => view.state.doc.toString(),
    replace: (insert) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert } }),
    mark(error) {
      const diagnostics: Diagnostic[] = [];
      if (error && error.line <= view.state.doc.lines) {
        const { from, to } = view.state.doc.line(error.line);
        diagnostics.push({ from, to, severity: 'error', message: error.message });
      }
      view.dispatch(setDiagnostics(view.state, diagnostics));
    },
    syntaxError() {
      let line: number | undefined;
      syntaxTree(view.state).iterate({
        enter: (node) => {
          if (node.type.isError) line ??= lineAt(node.from);
        },
      });
      return line;
    },
  };
}
