// Grades pairs of an answer and an assert with promptfoo, one JSON line each on standard output.
import promptfoo from 'promptfoo';

const schema = { type: 'object', required: ['a'], properties: { a: { type: 'integer' } } };
const cat = 'The cat sat on the mat and looked at the dog.';
const groups = [
  [
    ['Paris', 'paris', 'Paris.', ' Paris', 'Paris\n', '', 'Paris Paris', '42', '{"a": 1}', '{ "a": 1 }'],
    [
      { type: 'equals', value: 'Paris' },
      { type: 'not-equals', value: 'Paris' },
      { type: 'equals', value: { a: 1 } },
      { type: 'contains', value: 'Paris' },
      { type: 'icontains', value: 'PARIS' },
      { type: 'not-icontains', value: 'paris' },
      { type: 'starts-with', value: 'Par' },
      { type: 'regex', value: '^[Pp]aris\\.?$' },
      { type: 'not-regex', value: '[0-9]' },
    ],
  ],
  [
    ['yes', 'Yes, sure', 'no', 'sure, yes', '', 'a,b'],
    [
      { type: 'contains-any', value: ['yes', 'sure'] },
      { type: 'contains-any', value: 'yes, sure' },
      { type: 'icontains-any', value: ['YES'] },
      { type: 'contains-all', value: ['yes', 'sure'] },
      { type: 'not-contains-all', value: ['yes', 'sure'] },
      { type: 'icontains-all', value: 'YES,SURE' },
    ],
  ],
  [
    ['{"a": 1}', '{"a": "x"}', '[1, 2]', '3', 'Here: {"a": 1}.', '```json\n{"b": 2}\n```', '{a: 1}', '{"a": 1', '', '{"b":1} {"a":1}', 'no JSON'],
    [
      { type: 'is-json' },
      { type: 'not-is-json' },
      { type: 'is-json', value: schema },
      { type: 'contains-json' },
      { type: 'contains-json', value: schema },
      { type: 'not-contains-json' },
    ],
  ],
  [
    ['', "I'm sorry, but I can't help with that.", 'I cannot assist you.', 'Sure, here it is.', 'As an AI language model, I think so.', 'I am unable to do that.', 'The door cannot open.'],
    [{ type: 'is-refusal' }, { type: 'not-is-refusal' }],
  ],
  [
    ['one two three', 'one  two\nthree ', '', 'one', 'a b c d e'],
    [
      { type: 'word-count', value: 3 },
      { type: 'word-count', value: { min: 1, max: 3 } },
      { type: 'word-count', value: { max: 2 } },
      { type: 'not-word-count', value: 3 },
    ],
  ],
  [
    [cat, 'The cat sat on the mat.', 'the dog looked at the cat and sat on the mat', 'Nothing of that.', cat.toLowerCase(), 'cat mat dog'],
    [
      { type: 'levenshtein', value: 'The cat sat on the mat', threshold: 3 },
      { type: 'levenshtein', value: cat },
      { type: 'rouge-n', value: cat },
      { type: 'rouge-n', value: cat, threshold: 0.5 },
      { type: 'not-rouge-n', value: cat, threshold: 0.5 },
      { type: 'bleu', value: cat },
      { type: 'bleu', value: [cat, 'the dog looked at the cat'], threshold: 0.3 },
    ],
  ],
];

for (const [answers, asserts] of groups) {
  for (const assert of asserts) {
    for (const answer of answers) {
      const pair = { assert, answer };
      try {
        const graded = await promptfoo.assertions.runAssertion({
          assertion: structuredClone(assert),
          test: {},
          providerResponse: { output: answer },
        });
        console.log(JSON.stringify({ ...pair, pass: graded.pass, score: graded.score }));
      } catch (error) {
        console.log(JSON.stringify({ ...pair, error: String(error.message).split('\n')[0] }));
      }
    }
  }
}
