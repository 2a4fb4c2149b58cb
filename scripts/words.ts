/** Words that texts for users avoid, because other tools do not use them or use them for something else. */
import ts from 'typescript';

interface Avoided {
  readonly pattern: RegExp;
  /** the usual words */
  readonly instead: string;
}

const AVOIDED: readonly Avoided[] = [
  { pattern: /(?<!--no-)\b(?:tells?|told)\b/gi, instead: 'print, report or show' },
  { pattern: /\banew\b/gi, instead: 'again, or a new one' },
  { pattern: /\bwhole\s+cop(?:y|ies)\b/gi, instead: 'full copy, or full backup for the first of a series' },
  { pattern: /\bhad\s+back\b/gi, instead: 'restored' },
  { pattern: /\bis\s+there,\s+failed\b/gi, instead: 'exists in the failed state' },
  {
    pattern:
      /\btaken\s+up\b|\b(?:takes?|taking|took)\s+(?:it|them)\s+up\b|\b(?:take|takes|taking|took)(?:\s+\w+){0,3}\s+up\s+again\b/gi,
    instead: 'resumed or reloaded',
  },
];

/** Text with the line that it begins in. */
interface Piece {
  readonly text: string;
  readonly line: number;
}

/** The strings of an expression in their order. A value between two of them ends a word. */
function stringsOf(node: ts.Node, source: ts.SourceFile): Piece[] {
  const piece = (part: ts.Node, text: string): Piece => ({
    text,
    line: source.getLineAndCharacterOfPosition(part.getStart(source)).line + 1,
  });
  if (ts.isStringLiteralLike(node)) return [piece(node, node.text)];
  if (ts.isTemplateExpression(node)) {
    const parts = [node.head, ...node.templateSpans.map((span) => span.literal)];
    return parts.flatMap((part, index) => [...(index > 0 ? [piece(part, '|')] : []), piece(part, part.text)]);
  }
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    return [...stringsOf(node.left, source), ...stringsOf(node.right, source)];
  }
  return [piece(node, '|')];
}

const isText = (node: ts.Node): boolean =>
  ts.isStringLiteralLike(node) ||
  ts.isTemplateExpression(node) ||
  (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken);

/** The texts of a program: each string, and strings that are added up as one. */
function textsOfProgram(path: string, text: string): Piece[][] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest);
  const texts: Piece[][] = [];
  const visit = (node: ts.Node, inText: boolean): void => {
    const begins = isText(node);
    if (begins && !inText) texts.push(stringsOf(node, source));
    // Other expressions within a text have strings of their own.
    ts.forEachChild(node, (child) => visit(child, begins && isText(child) && !ts.isTemplateExpression(node)));
  };
  visit(source, false);
  return texts;
}

function linesOf(path: string, pieces: readonly Piece[]): Array<{ readonly line: number; readonly words: string }> {
  const text = pieces.map((piece) => piece.text).join('');
  const lineAt = (at: number): number => {
    let begin = 0;
    for (const piece of pieces) {
      const end = begin + piece.text.length;
      if (at < end) return piece.line + (piece.text.slice(0, at - begin).match(/\n/g)?.length ?? 0);
      begin = end;
    }
    return 1;
  };
  return AVOIDED.flatMap(({ pattern, instead }) =>
    [...text.matchAll(pattern)].map((match) => {
      const line = lineAt(match.index);
      return { line, words: `${path}:${line}: "${match[0].replace(/\s+/g, ' ')}": say "${instead}"` };
    }),
  );
}

/**
 * Finds avoided words: in all of a document, in the strings of a program.
 *
 * @param texts of the files that are looked through, by path
 * @returns lines `path:line: "word": say "…"`, in the order of the files and their lines
 */
export function avoidedWords(texts: ReadonlyMap<string, string>): string[] {
  return [...texts].flatMap(([path, text]) => {
    const parts = path.endsWith('.ts') ? textsOfProgram(path, text) : [[{ text, line: 1 }]];
    const found = parts.flatMap((pieces) => linesOf(path, pieces));
    return found.sort((a, b) => a.line - b.line).map(({ words }) => words);
  });
}
