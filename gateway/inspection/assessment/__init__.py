"""A draft of an impact assessment, made of what a deployment is configured to do.

document   what the draft consists of: sentences with their source, tables, and blanks
facts      what it is made of: settings in force, schedule, register, data map, figures
describing sections on what is done and kept
justifying sections on why, on what people are told, and on errors
weighing   sections on risks, rights and the operator's own conclusions
drafting   all of them together
markdown   the draft as Markdown
html       the draft as one HTML page

Every sentence either follows from the configuration, and names what it follows from, or is a blank
that the operator has to write. The draft has the headings that GDPR article 35(7), the Chinese law
(PIPL articles 55 and 56) and the Measures of 2025 (article 9) ask for. It is not legal advice.
"""
