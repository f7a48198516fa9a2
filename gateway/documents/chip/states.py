"""Issuing States: three letters in a machine-readable zone, two in a certificate.

A listed State signs documents of its own, and not another State's. So the State of the issuer's
certificate and the issuing State of the zone are held against each other.

Sources: ISO 3166-1, of which ICAO 9303-3 (section 5) takes its codes; the exceptions are that
section's own: D for Germany, codes of British nationals, of the European Union, of the United
Nations, of the Order of Malta, of Kosovo, and of Utopia, whose documents are specimens. Zones of
Hong Kong and Macao state CHN.

Whatever stands in no pair here corresponds to nothing, not even to itself: XBA, XPO and other
organisations have no code of two letters that is known here.
"""

from typing import Final

_ISO: Final = """
    ADAND AEARE AFAFG AGATG AIAIA ALALB AMARM AOAGO AQATA ARARG ASASM ATAUT AUAUS AWABW AXALA
    AZAZE BABIH BBBRB BDBGD BEBEL BFBFA BGBGR BHBHR BIBDI BJBEN BLBLM BMBMU BNBRN BOBOL BQBES
    BRBRA BSBHS BTBTN BVBVT BWBWA BYBLR BZBLZ CACAN CCCCK CDCOD CFCAF CGCOG CHCHE CICIV CKCOK
    CLCHL CMCMR CNCHN COCOL CRCRI CUCUB CVCPV CWCUW CXCXR CYCYP CZCZE DEDEU DJDJI DKDNK DMDMA
    DODOM DZDZA ECECU EEEST EGEGY EHESH ERERI ESESP ETETH FIFIN FJFJI FKFLK FMFSM FOFRO FRFRA
    GAGAB GBGBR GDGRD GEGEO GFGUF GGGGY GHGHA GIGIB GLGRL GMGMB GNGIN GPGLP GQGNQ GRGRC GSSGS
    GTGTM GUGUM GWGNB GYGUY HKHKG HMHMD HNHND HRHRV HTHTI HUHUN IDIDN IEIRL ILISR IMIMN ININD
    IOIOT IQIRQ IRIRN ISISL ITITA JEJEY JMJAM JOJOR JPJPN KEKEN KGKGZ KHKHM KIKIR KMCOM KNKNA
    KPPRK KRKOR KWKWT KYCYM KZKAZ LALAO LBLBN LCLCA LILIE LKLKA LRLBR LSLSO LTLTU LULUX LVLVA
    LYLBY MAMAR MCMCO MDMDA MEMNE MFMAF MGMDG MHMHL MKMKD MLMLI MMMMR MNMNG MOMAC MPMNP MQMTQ
    MRMRT MSMSR MTMLT MUMUS MVMDV MWMWI MXMEX MYMYS MZMOZ NANAM NCNCL NENER NFNFK NGNGA NINIC
    NLNLD NONOR NPNPL NRNRU NUNIU NZNZL OMOMN PAPAN PEPER PFPYF PGPNG PHPHL PKPAK PLPOL PMSPM
    PNPCN PRPRI PSPSE PTPRT PWPLW PYPRY QAQAT REREU ROROU RSSRB RURUS RWRWA SASAU SBSLB SCSYC
    SDSDN SESWE SGSGP SHSHN SISVN SJSJM SKSVK SLSLE SMSMR SNSEN SOSOM SRSUR SSSSD STSTP SVSLV
    SXSXM SYSYR SZSWZ TCTCA TDTCD TFATF TGTGO THTHA TJTJK TKTKL TLTLS TMTKM TNTUN TOTON TRTUR
    TTTTO TVTUV TWTWN TZTZA UAUKR UGUGA UMUMI USUSA UYURY UZUZB VAVAT VCVCT VEVEN VGVGB VIVIR
    VNVNM VUVUT WFWLF WSWSM YEYEM YTMYT ZAZAF ZMZMB ZWZWE
"""
"""Two letters and three, in one word each."""
_MORE: Final = (
    "DED GBGBD GBGBN GBGBO GBGBP GBGBS EUEUE UNUNO UNUNA UNUNK XOXOM KSRKS XKRKS UTUTO "
    "CNHKG CNMAC HKCHN MOCHN"
)
_PAIRS: Final = frozenset((one[:2], one[2:]) for one in f"{_ISO} {_MORE}".split())


def is_of(state: str, country: str) -> bool:
    """Whether documents of an issuing State are signed in a country, by a pair that stands above.

    Args:
        state: one to three letters, of the zone.
        country: two letters, of the certificate of the signer's issuer.
    """
    return (country, state) in _PAIRS
